"""What a run was begun with and has made so far, kept in its state: flags, texts, the files beside the weights."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from minigpt.train.data import END
from tokenizer import Tokenizer
from weights.checkpoint import Checkpoint
from weights.export import write_companions


@dataclass(frozen=True)
class RunRecord:
    """What a run was begun with, so that it can be repeated, and what it has made so far."""

    asked: dict[str, str | int | float | bool | list[str] | None] = field(
        default_factory=dict
    )  # by the flags' Python names
    texts: tuple[str, ...] = ()  # the SHA-256 of each text, in the order in which they were given
    companions: dict[str, str] = field(default_factory=dict)  # the files beside the weights: vocabulary, template, …
    model: str | None = None  # the fingerprint of the model that it has written beside, None before the first

    @contextmanager
    def files(self) -> Iterator[Path]:
        """A folder with the run's own companions, whatever is in the folder that it writes to."""
        with TemporaryDirectory() as folder:
            for name, text in self.companions.items():
                Path(folder, Path(name).name).write_bytes(text.encode())
            yield Path(folder)

    def tokenizer(self, plain: bool = False) -> Tokenizer:
        """The run's own tokenizer."""
        with self.files() as folder:
            return Tokenizer.load(folder, plain=plain)


def companions_of(tokenizer: Tokenizer, base: Checkpoint | None = None) -> dict[str, str]:
    """The files beside the weights of a run, by their names: those of the model that it starts from, or of a
    new one with this tokenizer. What is not text, SentencePiece's own file beside a tokenizer.json, is left out."""
    source = base.path if base and base.path.is_dir() else None
    config = base.generation_config if base else sampling_defaults(tokenizer)
    with TemporaryDirectory() as name:
        write_companions(Path(name), source, tokenizer, config, base.chat_template if base else None)
        files = [file for file in sorted(Path(name).iterdir()) if file.suffix in (".json", ".txt", ".jinja", ".bpe")]
        return {file.name: file.read_bytes().decode() for file in files}


def sampling_defaults(tokenizer: Tokenizer) -> dict[str, int | float]:
    """The generation_config.json of a model trained from scratch."""
    end = tokenizer.special_tokens[END]
    return {"bos_token_id": end, "eos_token_id": end, "do_sample": True, "temperature": 0.7, "top_p": 0.9}


def fingerprint(folder: Path) -> str:
    """The SHA-256 of what identifies a folder's model: the weights' headers, each with its numbers' SHA-256, and the
    vocabulary."""
    found = hashlib.sha256()
    for file in sorted(folder.glob("model*.safetensors")):
        with file.open("rb") as weights:
            size = weights.read(8)
            found.update(size + weights.read(min(int.from_bytes(size, "little"), 1 << 28)))
    for file in sorted(folder.glob("tokenizer.json")):
        found.update(file.read_bytes())
    return found.hexdigest()
