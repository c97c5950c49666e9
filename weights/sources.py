"""Where a model is: embedded, in a folder, in a cache, or still to be fetched."""

from dataclasses import dataclass
from pathlib import Path

from weights import STORYTELLER
from weights.registry import Entry, lookup


@dataclass(frozen=True)
class Found:
    """A model's folder or GGUF file, and where it was found."""

    name: str
    path: Path
    source: str
    entry: Entry | None = None

    @property
    def probe_name(self) -> str:
        """Under which name probes.json knows it: a GGUF's numbers are rounded, so it has a probe of its own."""
        return f"{self.name}.gguf" if self.path.suffix == ".gguf" else self.name


def obtain(name_or_path: str | Path) -> Found:
    entry = lookup(str(name_or_path))
    path = Path(name_or_path)
    if entry is not None and entry.name == "storyteller":
        return Found(entry.name, STORYTELLER, "embedded", entry)
    return Found(str(name_or_path), path, "folder")
