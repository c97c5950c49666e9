"""Looking at a model's opinion: of the next token, and of a text that exists already.

T tokens, V vocabulary, K tokens looked at.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from minigpt.generation.decoding import device_of, encode
from minigpt.generation.sampling import filtered, repetition_penalty
from minigpt.generation.sequences import Row, check_ids, fit
from tokenizer import Tokenizer

if TYPE_CHECKING:
    from minigpt.language_model import LanguageModel

ROWS_AT_ONCE = 128  # positions whose logits are held at the same time: 128 x 50257 floats are 26 MB


@dataclass(frozen=True)
class NextToken:
    """One candidate for the next token."""

    id: int
    text: str  # U+FFFD where the token is a part of a character
    probability: float  # the model's own
    filtered: float  # what it becomes under the settings, 0 where they drop it


@dataclass(frozen=True)
class Score:
    """How well a model foresaw a text."""

    ids: list[int]
    logprobs: list[float] = field(repr=False)  # natural logarithm, one per id that was scored: the last ones of `ids`
    n_bytes: int  # of the tokens that were scored, special ones not counted: they are no text

    @property
    def perplexity(self) -> float:
        """exp of the mean negative log-probability per token; 1 would be a model that knows the text by heart."""
        return math.exp(-sum(self.logprobs) / len(self.logprobs)) if self.logprobs else math.nan

    @property
    def bits_per_byte(self) -> float:
        """Bits needed for each byte of the text: comparable between models with different vocabularies."""
        return -sum(self.logprobs) / math.log(2) / self.n_bytes if self.n_bytes else math.nan


@torch.inference_mode()
def next_tokens(
    lm: LanguageModel, prompt: str | Sequence[int], k: int = 10, given: Mapping[str, Any] | None = None
) -> list[NextToken]:
    """The k tokens that the model finds most likely after a prompt, best first, at most all V.

    Without a temperature or a filter from the caller or the checkpoint `filtered` equals `probability`; with
    temperature=0 it is 1 for the best token. Raises ValueError for a prompt longer than the context.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    settings = lm.settings(dict(given or {}) | {"max_new_tokens": 0})
    ids, _, _ = fit(lm.model.config, lm.encode(prompt), settings)
    logits = encode(lm.model, [Row(ids, len(ids), 0)])[0].cpu().double()  # (V,)
    scores = logits
    if settings.repetition_penalty != 1:
        seen = torch.zeros(logits.shape, dtype=torch.bool)
        seen[ids] = True
        scores = repetition_penalty(logits, seen, settings.repetition_penalty)
    if settings.samples:
        scores = filtered(scores / settings.temperature, settings)
    elif (given or {}).get("temperature") is not None:
        scores = torch.full_like(scores, -math.inf).index_fill(0, scores.argmax(), 0.0)
    before, after = logits.softmax(0), scores.softmax(0)  # (V,) each
    best = before.topk(min(k, len(before))).indices.tolist()
    return [NextToken(i, text_of(lm, i), before[i].item(), after[i].item()) for i in best]


def text_of(lm: LanguageModel, id: int) -> str:
    """A token's text, empty where the vocabulary is only padded at this id."""
    return lm.tokenizer.decode([id]) if lm.tokenizer and id in lm.tokenizer.tokens else ""


@torch.inference_mode()
def score(lm: LanguageModel, text: str | Sequence[int], allow_special: str | Collection[str] = ()) -> Score:
    """The log-probability of every token of a text.

    The text is preceded by <|endoftext|> (the model's bos or end token), so that its first token is foreseen as well;
    a model without one leaves the first token out. Where the text is longer than the context it is read in windows
    of n_ctx tokens that overlap by half: every token but those of the first window sees at least n_ctx / 2 before it.
    Special tokens in the text are plain text unless allowed, as in `Tokenizer.encode`.
    """
    model, n_ctx = lm.model, lm.model.config.n_ctx
    ids = lm.encode(text, allow_special)
    check_ids(lm.model.config, ids)
    start = lm.settings({}).start_ids
    whole = torch.tensor(start + ids, device=device_of(model))  # (T,)
    logprobs: list[float] = []
    while len(logprobs) < len(whole) - 1:
        done = len(logprobs)  # the token at done + 1 comes next
        begin = 0 if done == 0 else done + 1 - (n_ctx + 1) // 2
        window = whole[begin : begin + n_ctx + 1]  # inputs and, one further, what they foresee
        x = model.hidden(window[None, :-1])[0, done - begin :]  # (new, C)
        for part, wanted in zip(x.split(ROWS_AT_ONCE), window[done + 1 - begin :].split(ROWS_AT_ONCE), strict=True):
            logits = model.unembed(part).float()  # (<=128, V)
            found = logits.log_softmax(-1).gather(1, wanted[:, None])[:, 0]
            logprobs += found.tolist()
    scored = ids if start else ids[1:]
    return Score(ids, logprobs, n_bytes_of(lm.tokenizer, scored) if lm.tokenizer else 0)


def n_bytes_of(tokenizer: Tokenizer, ids: Sequence[int]) -> int:
    """The bytes of the text that ids stand for."""
    special = set(tokenizer.special_tokens.values())
    return sum(len(tokenizer.tokens.get(id, b"")) for id in ids if id not in special)
