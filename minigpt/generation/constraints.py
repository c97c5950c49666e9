"""Which tokens are allowed, sampled or greedy: penalties, biases, bans and forced tokens, before any temperature.

Each function on scores (B, V) is one of transformers' logits processors, and `process` puts them in the order of its
`_get_logits_processor`. B batch, V vocabulary; `ids` are the tokens of each text so far, the prompt included.
"""

import math
from collections.abc import Collection, Iterable, Sequence

import torch
from torch import Tensor

from minigpt.generation.finite import refuse_not_finite
from minigpt.generation.settings import Settings

Ids = Sequence[Sequence[int]]  # (B, tokens so far)


def process(scores: Tensor, ids: Ids, settings: Settings, steps: Tensor) -> Tensor:
    """Everything in this file that the settings ask for, for scores (B, V) after `steps` (B,) new tokens.

    Raises ValueError for scores that are not finite, and where a text is left without any token.
    """
    if not settings.remove_invalid_values:
        refuse_not_finite(scores)
    scores = sequence_bias(scores, ids, settings.sequence_bias)
    scores = repetition_penalty(scores, ids, settings.repetition_penalty)
    return constrain(scores, ids, settings, steps.tolist()) if settings.constrains else scores


def repetition_penalty(scores: Tensor, ids: Ids, penalty: float) -> Tensor:
    """Lowers the scores of tokens that a text already has: positive ones (B, V) are divided, negative ones multiplied
    (Keskar et al. 2019, section 4.1).
    """
    if penalty == 1:
        return scores
    scores = scores.clone()
    for row, text in zip(scores, ids, strict=True):
        seen = torch.tensor(text, dtype=torch.int64, device=scores.device)
        before = row[seen]
        row[seen] = torch.where(before < 0, before * penalty, before / penalty)
    return scores


def sequence_bias(scores: Tensor, ids: Ids, biases: Collection[tuple[Sequence[int], float]]) -> Tensor:
    """Adds each sequence's bias to the score of its last token, where the text ends with the tokens before it.

    >>> sequence_bias(torch.zeros(1, 3), [[5, 1]], [([1, 2], 9.0), ([0], -1.0), ([2, 2], 7.0)]).tolist()
    [[-1.0, 0.0, 9.0]]
    """
    if not biases:
        return scores
    scores = scores.clone()
    for row, text in zip(scores, ids, strict=True):
        added: dict[int, float] = {}
        for (*before, last), bias in biases:
            if before == list(text[max(0, len(text) - len(before)) :]) or not before:
                added[last] = added.get(last, 0.0) + bias
        row[torch.tensor(list(added), dtype=torch.int64)] += torch.tensor(list(added.values())).to(row)
    return scores


def no_repeat_ngram(scores: Tensor, ids: Ids, n: int) -> Tensor:
    """Bans tokens that would repeat an n-gram that a text already has (Paulus et al. 2017, section 2.5).

    >>> no_repeat_ngram(torch.zeros(1, 4), [[1, 2, 3, 1]], 2).tolist()  # 1 2 has been
    [[0.0, 0.0, -inf, 0.0]]
    """
    scores = scores.clone()
    for row, text in zip(scores, ids, strict=True):
        end = list(text[max(0, len(text) - n + 1) :])
        starts = range(len(text) - n + 1)
        banned = [text[i + n - 1] for i in starts if list(text[i : i + n - 1]) == end]
        row[torch.tensor(banned, dtype=torch.int64)] = -math.inf
    return scores


def forbid(scores: Tensor, tokens: Collection[int], rows: Sequence[bool]) -> Tensor:
    """Bans some tokens in some rows; ids beyond the vocabulary are ignored."""
    if not (tokens and any(rows)):
        return scores
    where = torch.tensor(rows)[:, None] & among(tokens, scores.shape[-1])  # (B, V)
    return scores.masked_fill(where.to(scores.device), -math.inf)


def force(scores: Tensor, tokens: Iterable[int], rows: Sequence[bool]) -> Tensor:
    """Allows only some tokens, with equal scores, in some rows."""
    if not any(rows):
        return scores
    only = torch.where(among(tokens, scores.shape[-1]), 0.0, -math.inf).to(scores)  # (V,)
    return torch.where(torch.tensor(rows, device=scores.device)[:, None], only, scores)


def among(tokens: Iterable[int], n_vocab: int) -> Tensor:
    """Whether each id of the vocabulary is one of the tokens (V,)."""
    found = torch.zeros(n_vocab, dtype=torch.bool)
    found[torch.tensor([id for id in tokens if 0 <= id < n_vocab], dtype=torch.int64)] = True
    return found


def remove_invalid(scores: Tensor) -> Tensor:
    """nan becomes 0, infinities the type's largest and smallest numbers."""
    return scores.nan_to_num(nan=0.0)


def decay_length(scores: Tensor, tokens: Iterable[int], base: float, beyond: Sequence[int]) -> Tensor:
    """Raises the score of end tokens by |score| (base ** n - 1), n being how far a text is beyond the start."""
    ends = among(tokens, scores.shape[-1]).to(scores.device)  # (V,)
    steps = torch.tensor([max(0, n) for n in beyond], dtype=torch.float64)[:, None]  # (B, 1)
    factor = (base**steps - 1).clamp(max=torch.finfo(scores.dtype).max).to(scores)  # (B, 1)
    raised = (scores + scores.abs() * factor).clamp(max=torch.finfo(scores.dtype).max)
    return torch.where(ends & scores.isfinite(), raised, scores)


def constrain(scores: Tensor, ids: Ids, s: Settings, done: list[int]) -> Tensor:
    """The bans and forced tokens, for scores (B, V) after so many new tokens of each text (B,).

    Beams may be left without any token, as long as one of them goes on.
    """
    n_prompt = [len(text) - n for text, n in zip(ids, done, strict=True)]
    if s.no_repeat_ngram_size:
        scores = no_repeat_ngram(scores, ids, s.no_repeat_ngram_size)
    bans = [(word, -math.inf) for word in s.bad_words_ids if len(word) > 1 or word[0] not in s.eos_token_id]
    scores = sequence_bias(scores, ids, bans)
    least = [s.min_length if s.min_new_tokens is None else n + s.min_new_tokens for n in n_prompt]
    scores = forbid(scores, s.eos_token_id, [len(text) < n for text, n in zip(ids, least, strict=True)])
    if s.forced_bos_token_id is not None:
        scores = force(scores, [s.forced_bos_token_id], [len(text) == 1 for text in ids])
    if s.forced_eos_token_id:
        last = [n + 1 == s.new_tokens(prompt) for n, prompt in zip(done, n_prompt, strict=True)]
        scores = force(scores, s.forced_eos_token_id, last)
    if s.remove_invalid_values:
        scores = remove_invalid(scores)
    if s.exponential_decay_length_penalty:
        start, base = s.exponential_decay_length_penalty
        scores = decay_length(scores, s.eos_token_id, base, [n - start for n in done])
    scores = forbid(scores, s.suppress_tokens, [True] * len(done))
    late = [s.forced_bos_token_id is not None and prompt <= 1 for prompt in n_prompt]  # the forced token begins it
    scores = forbid(scores, s.begin_suppress_tokens, [n == wait for n, wait in zip(done, late, strict=True)])
    if s.num_beams == 1:
        refuse_nothing(scores)
    return scores


def refuse_nothing(scores: Tensor) -> None:
    """Raises ValueError if a row of scores (B, V) leaves no token."""
    if (scores.amax(dim=-1) == -math.inf).any():
        raise ValueError(
            "the settings forbid every token of the vocabulary (no_repeat_ngram_size, bad_words_ids, suppress_tokens "
            "and the like): allow more"
        )
