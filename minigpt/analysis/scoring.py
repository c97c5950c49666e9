"""What a model predicts: the next token after a prompt, and how likely an existing text is.

T tokens, C channels, V vocabulary, K tokens looked at.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from minigpt.generation.constraints import process
from minigpt.generation.decoding import device_of, prefill
from minigpt.generation.finite import refuse_not_finite
from minigpt.generation.rules import checked
from minigpt.generation.sampling import filter_candidates
from minigpt.generation.sequences import TokenSequence, check_ids, fit
from minigpt.generation.settings import Settings
from minigpt.models.interface import Model
from tokenizer import Tokenizer

POSITIONS_AT_ONCE = 128  # whose logits are held in memory at once: 128 x 50257 floats are 26 MB


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
        mean = -sum(self.logprobs) / len(self.logprobs) if self.logprobs else math.nan
        return math.inf if mean > 709 else math.exp(mean)  # a float holds no larger power

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
    k = checked("k", k)
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
def score(
    model: Model, tokenizer: Tokenizer | None, ids: list[int], start: list[int], start_is_bos: bool = False
) -> Score:
    """The log-probability of every token of a text.

    The text is preceded by `start`, the model's BOS or end token, so that its first token is predicted as well; if the
    ids already begin with it, it is not added again, and if it is empty, the first token is not scored. A text longer
    than the context is read in windows of n_ctx tokens that overlap by half: every token but those of the first window
    sees at least half a window before it. A `start` that is the BOS with which every training text began precedes each
    window; an end token, which says that another text begins, precedes only the first.
    """
    n_ctx = model.config.n_ctx
    whole = ids if start and ids[: len(start)] == start else start + ids
    check_ids(model.config, whole)
    bos = start if start_is_bos and len(start) < n_ctx else []
    first = at = len(start) or 1  # the token that comes next
    logprobs: list[float] = []
    while at < len(whole):
        head, begin = ([], 0) if at <= n_ctx else (bos, at - (n_ctx - len(bos) + 1) // 2)
        end = begin + n_ctx - len(head)
        window = torch.tensor([head + whole[begin:end]], device=device_of(model))  # (1, T)
        x = model.hidden(window)[0, len(head) + at - 1 - begin :]  # (new, C)
        targets = torch.tensor(whole[at : end + 1], device=x.device).split(POSITIONS_AT_ONCE)
        for part, wanted in zip(x[: len(whole) - at].split(POSITIONS_AT_ONCE), targets, strict=True):
            logits = model.unembed(part).float()  # (<=128, V)
            refuse_not_finite(logits)
            found = logits.log_softmax(-1).gather(1, wanted[:, None])[:, 0]
            logprobs += found.tolist()
        at = end + 1
    return Score(ids, logprobs, n_bytes_of(tokenizer, whole[first:]) if tokenizer else 0)


def n_bytes_of(tokenizer: Tokenizer, ids: Sequence[int]) -> int:
    """The bytes of the text that ids stand for."""
    special = set(tokenizer.special_tokens.values())
    return sum(len(tokenizer.tokens.get(id, b"")) for id in ids if id not in special)
