"""A model as the pictures see it, and what all of them ask of it: ids of a text, texts of ids.

T tokens, V vocabulary.
"""

from collections.abc import Mapping
from typing import Protocol

import torch

from minigpt.analysis.scoring import Score
from minigpt.generation.decoding import device_of
from minigpt.generation.settings import Settings
from minigpt.models.gpt2 import GPT2
from minigpt.models.interface import Model
from minigpt.models.llama import Llama
from minigpt.terminal import plain
from tokenizer import Tokenizer
from tokenizer.display import clip, label


class Seen(Protocol):
    """What is looked at: a `LanguageModel`."""

    model: Model
    tokenizer: Tokenizer | None
    name: str

    def encode(self, prompt: str) -> list[int]: ...
    def settings(self, given: Mapping[str, object]) -> Settings: ...
    def score(self, text: str) -> Score: ...


class Look:
    """Pictures of one model."""

    def __init__(self, lm: Seen) -> None:
        self.lm = lm


def ids_of(lm: Seen, prompt: str) -> tuple[torch.Tensor, list[str]]:
    """The ids (1, T) of a prompt as the model reads it, and the text of each."""
    ids = lm.encode(prompt) or lm.settings({}).start_ids
    if len(ids) > lm.model.config.n_ctx:
        raise ValueError(f"{len(ids)} tokens exceed the model's {lm.model.config.n_ctx} positions: show a shorter text")
    if not ids:
        raise ValueError("there is no token to look at: give a text")
    return torch.tensor([ids], device=device_of(lm.model)), [text_of(lm, id) for id in ids]


@torch.inference_mode()
def next_logits(lm: Seen, ids: torch.Tensor) -> torch.Tensor:
    """The logits (V,) after a text, ids (1, T)."""
    return lm.model.unembed(lm.model.hidden(ids)[0, -1])


def text_of(lm: Seen, id: int) -> str:
    """The text of one token, its bytes if it is a part of a character, its number if the vocabulary has none."""
    if lm.tokenizer is None or id not in lm.tokenizer.tokens:
        return f"#{id}"
    text = lm.tokenizer.decode([id])
    return label(lm.tokenizer.decode_bytes([id])) if "\ufffd" in text else text


def id_of(lm: Seen, text: str) -> int:
    """The id of a text that is one token, or a special token's name."""
    if lm.tokenizer is None:
        raise ValueError(f"{text!r}: there is no tokenizer that knows a token by its text")
    special = lm.tokenizer.special_tokens.get(text)
    ids = lm.tokenizer.encode(text) if special is None else [special]
    if len(ids) != 1:
        raise ValueError(f'{text!r} is not 1 token but {[text_of(lm, id) for id in ids]}: give one, as " the"')
    return ids[0]


def model_of(lm: Seen) -> GPT2 | Llama:
    """The model, of a family that can be looked into."""
    if not isinstance(lm.model, GPT2 | Llama):
        raise ValueError(f"a {type(lm.model).__name__} cannot be looked into: GPT-2 and Llama models can")
    return lm.model


def quoted(prompt: str) -> str:
    """A prompt for a title."""
    return f'"{clip(" ".join(plain(prompt).split()), 48)}"'
