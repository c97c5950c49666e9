"""What a model predicts: the next token after a prompt, and how likely a text that exists already is.

T tokens, C channels, V vocabulary, K tokens looked at.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from minigpt.generation.constraints import process
from minigpt.generation.decoding import device_of, prefill
from minigpt.generation.sampling import filter_candidates
from minigpt.generation.sequences import TokenSequence, check_ids, fit
from minigpt.generation.settings import Settings
from minigpt.models.interface import Model
from tokenizer import Tokenizer

POSITIONS_AT_ONCE = 128  # whose logits are held at the same time: 128 x 50257 floats are 26 MB


@dataclass(frozen=True)
class NextToken:
    """One candidate for the next token."""

    id: int
    text: str  # U+FFFD where the token is a part of a character
    probability: float  # the model's own
    filtered: float  # what it becomes under the settings, 0 where they drop it
    logit: float  # before temperature and filters


@dataclass(frozen=True)
class Score:
    """The log-likelihood of a text under a model."""

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
    model: Model, tokenizer: Tokenizer | None, prompt: Sequence[int], k: int, settings: Settings, asked: bool
) -> list[NextToken]:
    """The k tokens that the model finds most likely after the ids of a prompt, best first, at most all V.

    `asked` says whether the caller gave a temperature: greedy settings then make the best token certain, else they
    leave the model's own probabilities. Raises ValueError for a prompt longer than the context.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    ids, _, _ = fit(model.config, list(prompt), settings)
    logits = prefill(model, [TokenSequence(ids, len(ids), 0)]).cpu().double()  # (1, V)
    scores = process(logits, [ids], settings, torch.tensor([0]))
    if settings.samples:
        scores = filter_candidates(scores, settings)
    elif asked:
        scores = torch.full_like(scores, -math.inf).scatter(1, scores.argmax(1, keepdim=True), 0.0)
    before, after = logits.softmax(1)[0], scores.softmax(1)[0]  # (V,) each
    best = before.topk(min(k, len(before))).indices.tolist()
    texts = {id: tokenizer.decode([id]) if tokenizer and id in tokenizer.tokens else "" for id in best}
    return [NextToken(i, texts[i], before[i].item(), after[i].item(), logits[0, i].item()) for i in best]


@torch.inference_mode()
def score(model: Model, tokenizer: Tokenizer | None, ids: list[int], start: list[int]) -> Score:
    """The log-probability of every token of a text.

    The text is preceded by `start`, the model's bos or end token, so that its first token is predicted as well; where
    that is empty the first token is left out. Where the text is longer than the context it is read in windows of n_ctx
    tokens that overlap by half: every token but those of the first window sees at least n_ctx / 2 before it.
    """
    n_ctx = model.config.n_ctx
    check_ids(model.config, ids)
    whole = torch.tensor(start + ids, device=device_of(model))  # (T,)
    logprobs: list[float] = []
    while len(logprobs) < len(whole) - 1:
        done = len(logprobs)  # the token at done + 1 comes next
        begin = 0 if done == 0 else done + 1 - (n_ctx + 1) // 2
        window = whole[begin : begin + n_ctx + 1]  # inputs and, one further, what they are to predict
        x = model.hidden(window[None, :-1])[0, done - begin :]  # (new, C)
        targets = window[done + 1 - begin :].split(POSITIONS_AT_ONCE)
        for part, wanted in zip(x.split(POSITIONS_AT_ONCE), targets, strict=True):
            logits = model.unembed(part).float()  # (<=128, V)
            found = logits.log_softmax(-1).gather(1, wanted[:, None])[:, 0]
            logprobs += found.tolist()
    scored = ids if start else ids[1:]
    return Score(ids, logprobs, n_bytes_of(tokenizer, scored) if tokenizer else 0)


def n_bytes_of(tokenizer: Tokenizer, ids: Sequence[int]) -> int:
    """The bytes of the text that ids stand for."""
    special = set(tokenizer.special_tokens.values())
    return sum(len(tokenizer.tokens.get(id, b"")) for id in ids if id not in special)
