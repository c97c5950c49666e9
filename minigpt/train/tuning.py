"""What --finetune adds to a run: LoRA's matrices in a folder of their own, and chats in place of a text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from minigpt.models.gpt2 import GPT2
from minigpt.train.chats import format_of, read_chats
from minigpt.train.data import Texts, sha256_of
from minigpt.train.lora import lora_layers
from minigpt.train.turns import encode_chats, n_bytes
from tokenizer import Tokenizer
from weights.adapter import save_adapter
from weights.families.gpt2 import GPT2_FAMILY
from weights.families.llama import LLAMA_FAMILY


def keep_adapter(model: nn.Module, folder: Path, asked: Mapping[str, Any], companions: Mapping[str, str]) -> None:
    """Writes LoRA's matrices by themselves into `adapter` in the run's folder; nothing where there are none."""
    layers = lora_layers(model)
    if layers:
        factors = {name: (layer.lora_A, layer.lora_B) for name, layer in layers.items()}
        family = GPT2_FAMILY if isinstance(model, GPT2) else LLAMA_FAMILY
        alpha = next(iter(layers.values())).alpha
        save_adapter(factors, alpha, family, folder / "adapter", str(asked["finetune"]), companions)


def chat_texts(
    files: Sequence[Path], folder: Path, tokenizer: Tokenizer, asked: Mapping[str, Any]
) -> tuple[Texts, tuple[str, ...], str]:
    """The chats of one or two files in place of texts, the SHA-256 of each file's text, and a summary of those
    to train on, in words. The template is that of a folder with a model's companions.

    With one file, the last 5 % of its chats are held out to validate on.
    """
    chat, read = format_of(folder, tokenizer), [read_chats(file, asked["encoding"]) for file in files]
    train, validation = read[0][0], read[-1][0]
    if len(files) == 1:
        n_held = max(1, len(train) // 20)
        train, validation = dict([*train.items()][:-n_held]), dict([*train.items()][-n_held:])
    if not train:
        raise ValueError(f"{files[0]} holds only one chat, another is needed for validation: give more, or --val FILE")
    chats, counts = encode_chats(train, chat, asked["block_size"], files[0])
    held, _ = encode_chats(validation, chat, asked["block_size"], files[-1])
    hashes = tuple(sha256_of(text) for _, text in read)
    return Texts(chats, held, n_bytes(held, tokenizer)), hashes, f"{files[0]}: {counts}"
