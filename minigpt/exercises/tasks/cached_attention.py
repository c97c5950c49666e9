"""Lesson 10: attention with a KV cache."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.exercises.outcomes import ROUNDED, same

Cache = dict[str, Tensor]
Part = Callable[[Tensor, Tensor, Tensor, Cache], Tensor]


def cached_attention(q: Tensor, k: Tensor, v: Tensor, cache: Cache) -> Tensor:
    """Causal attention of the new tokens to themselves and to all that came before: q, k, v
    (B, H, T, D) -> same.

    The cache is a dict, empty before the first call. After each call it has, as "k" and "v", the
    keys and values of all tokens so far, (B, H, S, D) each, the oldest first.
    """
    # BEGIN SOLUTION
    if cache:
        k = torch.cat([cache["k"], k], dim=2)  # (B, H, S, D)
        v = torch.cat([cache["v"], v], dim=2)
    cache["k"], cache["v"] = k, v
    T, S = q.shape[2], k.shape[2]
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (B, H, T, S)
    future = torch.ones(T, S, dtype=torch.bool).triu(S - T + 1)
    weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
    return weights @ v
    # END SOLUTION


class Calls(tuple[int, ...]):
    """How many tokens come in each call."""

    def __repr__(self) -> str:
        return f"in calls of {', '.join(map(str, self))}"


def in_calls(part: Part, q: Tensor, k: Tensor, v: Tensor, calls: Calls) -> Any:
    """What a part gives, call by call with one cache, joined: (B, H, T, D); or up to the first of another shape.

    Raises ValueError where after three calls all that is right, and the cache is not what the exercise asks for.
    """
    cache: Cache = {}
    results: list[Any] = []
    for new_q, new_k, new_v in zip(*(t.split(list(calls), dim=2) for t in (q, k, v)), strict=True):
        y = part(new_q, new_k, new_v, cache)
        results.append(y)
        if not isinstance(y, Tensor) or y.shape != new_q.shape:
            fits = isinstance(y, Tensor) and y.dim() == 4 and y.shape[:2] + y.shape[3:] == q.shape[:2] + q.shape[3:]
            return torch.cat(results, dim=2) if fits else y
    joined = torch.cat(results, dim=2)
    if len(calls) > 2 and cache and same(joined, F.scaled_dot_product_attention(q, k, v, is_causal=True), ROUNDED):
        for name, what, seen in (("k", "keys", k), ("v", "values", v)):
            if not same(cache.get(name), seen, ROUNDED):
                wanted = f"one tensor {tuple(seen.shape)} with the {what} of all tokens"
                raise ValueError(f'the results are right, but cache["{name}"] is not {wanted}')
    return joined


def cases() -> list[Case]:
    """Two tokens of one head, at once and one after the other; of three heads a prompt alone, and a prompt, a token,
    two at once; then real numbers."""
    one, few = (tuple(material.numbers(*shape, seed=n) for n in range(3)) for shape in ((1, 1, 2, 3), (2, 3, 7, 5)))
    seen = material.activations()
    real = tuple(seen[f"h.1.attn.{name}"] for name in "qkv")
    n = real[0].shape[2]
    return [
        *(Case((*one, Calls(calls))) for calls in ((2,), (1, 1))),
        *(Case((*few, Calls(calls))) for calls in ((7,), (4, 1, 2), (1, 3, 3))),
        Case((*real, Calls((n - 4, 1, 1, 1, 1)))),
    ]


class Remembering:
    """A head that gives the learner's function each token once, though the model is given the whole text each time."""

    def __init__(self, part: Part) -> None:
        self.part, self.cache, self.done = part, Cache(), torch.empty(0)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, _mask: Tensor | None = None) -> Tensor:
        n = self.done.shape[2] if self.cache else 0
        if n >= q.shape[2]:  # the text is full, and its window slides: begin again
            self.cache, n = Cache(), 0
        new = self.part(q[:, :, n:], k[:, :, n:], v[:, :, n:], self.cache)
        self.done = torch.cat([self.done, new], dim=2) if n else new
        return self.done


def acts(writer: Any, part: Part) -> None:
    """Every block of a model attends by the learner's function, with a cache of its own."""
    for block in writer.model.h:
        block.attn.attention.forward = Remembering(part)


KEYS, VALUES = 'k = torch.cat([cache["k"], k], dim=2)', 'v = torch.cat([cache["v"], v], dim=2)'
STORE = 'cache["k"], cache["v"] = k, v'
OTHERWISE = (
    "cache.update(k=k, v=v)"  # the same in other words: what fails on nearly all cases makes no pair with others
)
SCALE, MASKED = " / math.sqrt(q.shape[-1])", "scores.masked_fill(future, -math.inf)"

EXERCISE = Exercise(
    lesson="10",
    part=cached_attention,
    make_cases=cases,
    use=in_calls,
    acts=acts,
    hints=(
        "Only the new tokens ask; all tokens so far answer. So k and v grow with every call, and q does not.",
        "Join the cache's keys and the new ones along the tokens, dim=2, store them, then attend as in lesson 05.",
        "There are T rows and S columns: row i is the token at position S - T + i, so the mask is triu(S - T + 1).",
    ),
    bugs=(
        bug(
            *("position_from_0", "masks as if the new tokens stood at position 0, so that they do not see the cache"),
            *(".triu(S - T + 1)", ".triu(1)"),
        ),
        bug("mask_ignored", "has no mask: new tokens see those after them in the same call", MASKED, "scores"),
        bug(
            *("mask_prefill_only", "has a mask in the first call only: of several tokens later the first see the last"),
            *(MASKED, f"({MASKED} if T == S else scores)"),
        ),
        bug("mask_off_by_one", "lets each token see one that comes after it", "S - T + 1", "S - T + 2"),
        bug(
            *("mask_inverted", "hides what a token may see, and shows it what comes after it"),
            *(".triu(S - T + 1)", ".tril(S - T)"),
        ),
        bug(
            *("mask_square", "makes a mask of S rows, one for each token so far: T of them are new, and ask"),
            *("torch.ones(T, S", "torch.ones(S, S", ".triu(S - T + 1)", ".triu(1)"),
        ),
        bug("mask_self", "hides each token from itself, too", "S - T + 1", "S - T"),
        bug(
            *("overwrites", "sees the tokens of this call alone: the cache is overwritten, or never read or filled"),
            *("if cache:", "if False:"),
        ),
        bug(
            *(
                "overwrites_after_reading",
                "leaves only this call's tokens in the cache: the call after has lost the rest",
            ),
            *(STORE, 'cache["k"], cache["v"] = (t[:, :, -q.shape[2] :] for t in (k, v))'),
        ),
        bug(
            *("stores_once", "fills the cache in the first call alone"),
            *(STORE, f"if not cache:\n        {STORE}"),
        ),
        bug(
            *("stores_first", "stores before it joins, so that the new tokens meet themselves in place of the past"),
            *(KEYS, "k = torch.cat([k, k], dim=2)", VALUES, "v = torch.cat([v, v], dim=2)"),
            *("if cache:", "new = k, v\n    if True:", STORE, 'cache["k"], cache["v"] = new'),
        ),
        bug(
            *("appends_twice", "puts the new keys and values into the cache twice"),
            *(STORE, 'cache["k"], cache["v"] = (torch.cat([t, t[:, :, -q.shape[2] :]], dim=2) for t in (k, v))'),
        ),
        bug(
            *("attends_twice", "lets the new tokens meet themselves twice: in the cache, and beside it"),
            *(STORE, f"{STORE}\n    k, v = (torch.cat([t, t[:, :, -q.shape[2] :]], dim=2) for t in (k, v))"),
        ),
        bug(
            *("past_twice", "adds to the cache what holds the cache already: the past stands there twice"),
            *(
                STORE,
                'cache.update({n: torch.cat([cache.get(n, t[:, :, :0]), t], 2) for n, t in (("k", k), ("v", v))})',
            ),
        ),
        bug(
            *("wrong_axis", "joins the cache and the new tokens along the heads, not along the tokens"),
            *(KEYS, KEYS.replace("2", "1"), VALUES, VALUES.replace("2", "1"), STORE, OTHERWISE),
        ),
        bug(
            *("batch_axis", "joins the cache and the new tokens along the batch, not along the tokens"),
            *(KEYS, KEYS.replace("2", "0"), VALUES, VALUES.replace("2", "0"), STORE, OTHERWISE),
        ),
        bug(
            *("new_first", "puts the new tokens before the old ones"),
            *(KEYS, 'k = torch.cat([k, cache["k"]], dim=2)', VALUES, 'v = torch.cat([v, cache["v"]], dim=2)'),
        ),
        bug("keys_as_values", "stores the keys as values, too", STORE, 'cache["k"], cache["v"] = k, k'),
        bug("swapped", "stores the keys as values, and the values as keys", STORE, 'cache["k"], cache["v"] = v, k'),
        bug(
            *("q_cached", "keeps the queries, too: the old ones have their answer, and nobody needs them again"),
            *(KEYS, f'q = torch.cat([cache["q"], q], dim=2)\n        {KEYS}', STORE, f'{STORE}\n    cache["q"] = q'),
        ),
        bug("no_scale", "does not divide the scores by √D", SCALE, ""),
        bug("scale_d", "divides by D, not by √D", SCALE, " / q.shape[-1]"),
        bug("softmax_axis", "takes the softmax over the queries, not over the keys", "dim=-1", "dim=-2"),
        bug("returns_weights", "returns the weights, not the mean of the values", "weights @ v", "weights"),
    ),
)
