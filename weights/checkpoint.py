"""A checkpoint: a model with everything that came beside it, loaded from a folder or by a registered name."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from minigpt.gpt2 import GPT2
from minigpt.llama import Llama
from weights.devices import pick_device, pick_dtype
from weights.files import read_json, read_tensors
from weights.gpt2 import GPT2_FAMILY
from weights.llama import LLAMA_FAMILY, QWEN2_FAMILY, QWEN3_FAMILY
from weights.loading import load_model
from weights.report import LoadReport

if TYPE_CHECKING:
    from tokenizer import Tokenizer

FAMILIES = {family.name: family for family in (GPT2_FAMILY, LLAMA_FAMILY, QWEN2_FAMILY, QWEN3_FAMILY)}


@dataclass
class Checkpoint:
    """A loaded model, its vocabulary, its defaults, and the report of how it was loaded."""

    name: str
    path: Path  # the folder, or the GGUF file
    model: GPT2 | Llama  # in eval mode
    tokenizer: "Tokenizer | None"  # None where the folder has no vocabulary
    generation_config: dict[str, Any]
    chat_template: str | None  # Jinja
    report: LoadReport


def load_checkpoint(
    name_or_path: str | Path,
    device: str | torch.device = "auto",
    dtype: torch.dtype | str | None = None,
    force: bool = False,
) -> Checkpoint:
    """The checkpoint of a folder in Hugging Face layout.

    `device` "auto" is cuda, else mps, else cpu. Without a dtype it is the checkpoint's own; half-precision files load
    as float32 on a CPU. Raises ValueError for what is wrong with a file, OSError for what is not there.
    """
    place = pick_device(device)
    del force  # until there is a self-check
    return load_folder(Path(name_or_path), str(name_or_path), place, pick_dtype(dtype, place))


def load_folder(folder: Path, name: str, device: torch.device, dtype: torch.dtype | None) -> Checkpoint:
    """The checkpoint of a folder with config.json, weights, and whatever else lies there."""
    data = read_json(folder / "config.json")
    family = FAMILIES.get(str(data.get("model_type")))
    if family is None:
        raise ValueError(
            f"{folder / 'config.json'}: model_type is {data.get('model_type')!r}; expected one of {', '.join(FAMILIES)}"
        )
    try:
        config = family.read_config(data)
    except ValueError as error:
        raise ValueError(f"{folder / 'config.json'}: {error}") from None
    stored, files = read_tensors(folder)
    where = str(files[0] if len(files) == 1 else folder)
    model, report = load_model(config, family, stored, where, device, dtype)
    report.files = [file.name for file in files]
    assert isinstance(model, GPT2 | Llama)
    return Checkpoint(
        name=name,
        path=folder,
        model=model,
        tokenizer=read_vocabulary(folder, config.vocab_size),
        generation_config=read_generation_config(folder, data),
        chat_template=read_chat_template(folder),
        report=report,
    )


def read_vocabulary(folder: Path, vocab_size: int) -> "Tokenizer | None":
    """The folder's tokenizer, or None without one; a ValueError where it has ids that the model has no row for."""
    from tokenizer import Tokenizer

    if not (folder / "tokenizer.json").exists() and not (folder / "vocab.json").exists():
        return None
    tok = Tokenizer.load(folder)
    if tok.n_vocab > vocab_size:
        raise ValueError(f"{folder}: the vocabulary has {tok.n_vocab} ids, the model only {vocab_size} (vocab_size)")
    return tok


def read_generation_config(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """generation_config.json, with config.json's special ids where it does not say."""
    path = folder / "generation_config.json"
    values = read_json(path) if path.exists() else {}
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if values.get(name) is None and config.get(name) is not None:
            values[name] = config[name]
    return values


def read_chat_template(folder: Path) -> str | None:
    """The Jinja text of chat_template.jinja or, as it was before, of tokenizer_config.json."""
    if (folder / "chat_template.jinja").exists():
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    path = folder / "tokenizer_config.json"
    template = read_json(path).get("chat_template") if path.exists() else None
    if isinstance(template, list):  # several, each with a name
        template = {entry["name"]: entry["template"] for entry in template}.get("default")
    return template if isinstance(template, str) else None
