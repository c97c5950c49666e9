"""What comes with the weights of a checkpoint: the vocabulary, the default settings, the chat template."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizer import Tokenizer
from tokenizer.formats.text import read_text
from weights.formats.folder import read_json


@dataclass(frozen=True)
class Companions:
    """What a checkpoint holds beside its weights."""

    tokenizer: Tokenizer | None  # None where there is no vocabulary
    generation_config: dict[str, Any]  # default settings, as transformers names them
    chat_template: str | None  # Jinja


def read_companions(folder: Path, vocab_size: int) -> Companions:
    """What lies beside the weights in a folder in Hugging Face layout; a ValueError names a file that is damaged."""
    tok = read_vocabulary(folder, vocab_size)
    return Companions(tok, read_generation_config(folder), read_chat_template(folder))


def read_vocabulary(folder: Path, vocab_size: int) -> Tokenizer | None:
    """The folder's tokenizer, or None without one; a ValueError where it has ids that the model has no row for."""
    if not (folder / "tokenizer.json").exists() and not (folder / "vocab.json").exists():
        return None
    return load_vocabulary(folder, vocab_size)


def load_vocabulary(path: Path, vocab_size: int) -> Tokenizer:
    """The tokenizer of a folder or a GGUF file; a ValueError where it has ids that the model has no row for."""
    tok = Tokenizer.load(path)
    if tok.n_vocab > vocab_size:
        raise ValueError(
            f"{path}: the vocabulary has {tok.n_vocab} ids, the model only {vocab_size} (vocab_size): use its own"
        )
    return tok


def read_generation_config(folder: Path) -> dict[str, Any]:
    """generation_config.json, with config.json's special ids where it does not say."""
    path, config = folder / "generation_config.json", read_json(folder / "config.json")
    values = read_json(path) if path.exists() else {}
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if values.get(name) is None and config.get(name) is not None:
            values[name] = config[name]
    return values


def read_chat_template(folder: Path) -> str | None:
    """The Jinja text of chat_template.jinja or, as it was before, of tokenizer_config.json."""
    if (folder / "chat_template.jinja").exists():
        return read_text(folder / "chat_template.jinja")
    path = folder / "tokenizer_config.json"
    template = read_json(path).get("chat_template") if path.exists() else None
    if isinstance(template, list):  # several, each with a name
        if not all(isinstance(entry, dict) and {"name", "template"} <= entry.keys() for entry in template):
            raise ValueError(f"{path}: every chat_template in a list needs a name and a template: fetch it again")
        template = next((entry["template"] for entry in template if entry["name"] == "default"), None)
    return template if isinstance(template, str) else None
