"""Lesson 04: from ids to vectors."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def embed(ids: Tensor, wte: Tensor, wpe: Tensor) -> Tensor:
    """What each token is, plus where it stands: ids (B, T), wte (V, C), wpe (n_ctx, C) -> (B, T, C)."""
    # BEGIN SOLUTION
    T = ids.shape[1]
    tokens = wte[ids]
    positions = wpe[torch.arange(T)]
    return tokens + positions
    # END SOLUTION


def acts(writer: Any, part: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """A model's first vectors are the learner's, whole: what is added to them is 0."""
    model = writer.model
    model.wte.forward = lambda ids: part(ids, model.wte.weight, model.wpe.weight)
    model.wpe.forward = lambda _pos: 0.0


def cases() -> list[Case]:
    """Two tokens, one token twice, as many as there are positions, then real ones with the rows they need."""
    wte, wpe = material.numbers(7, 3), material.numbers(9, 3, seed=1)
    used, ids = material.ids().unique(return_inverse=True)
    model = material.storyteller()
    real = (ids, model.wte.weight.detach()[used], model.wpe.weight.detach()[:31])
    return [
        Case((torch.tensor([[3, 1]]), wte, wpe), grad=True),
        Case((torch.tensor([[2], [5]]), wte, wpe)),
        Case((torch.tensor([[4, 4, 0, 6], [1, 5, 3, 2]]), wte, wpe), grad=True),
        Case((torch.tensor([[3, 1, 0, 4, 2, 6, 5, 1, 3]]), wte, wpe)),
        Case(real, grad=True),
    ]


TOKENS, POSITIONS, RESULT = "wte[ids]", "wpe[torch.arange(T)]", "return tokens + positions"

EXERCISE = Exercise(
    lesson="04",
    part=embed,
    make_cases=cases,
    acts=acts,
    hints=(
        "Two tables: wte has a row for each token of the vocabulary, wpe one for each place in the text.",
        "wte[ids] picks the rows of all tokens at once: (B, T, C). Which rows of wpe does a text of T tokens need?",
        "wte[ids] + wpe[torch.arange(T)]: the places are 0 to T - 1, the same for every text of the batch.",
    ),
    bugs=(
        bug(
            "positions_missing",
            "leaves out the positions: a word means the same wherever it stands",
            " + positions",
            "",
        ),
        bug(
            "tokens_missing",
            "leaves out the tokens: every text is the same",
            RESULT,
            "return positions.expand_as(tokens)",
        ),
        bug("positions_by_id", "looks the positions up by id, not by place", POSITIONS, "wpe[ids]"),
        bug("positions_from_1", "counts the places from 1", POSITIONS, "wpe[torch.arange(1, T + 1)]"),
        bug("positions_reversed", "counts the places from the end", POSITIONS, "wpe[torch.arange(T).flip(0)]"),
        bug("position_0", "gives every token the first place", POSITIONS, "wpe[0]"),
        bug("last_position", "gives every token the last one's place", POSITIONS, "wpe[T - 1]"),
        bug(
            *("positions_by_row", "numbers the texts of the batch, not the places in a text"),
            *(POSITIONS, "wpe[torch.arange(len(ids))][:, None]"),
        ),
        bug(
            *("positions_go_on", "counts on from one text of the batch to the next"),
            *(POSITIONS, "wpe[torch.arange(ids.numel()).view(ids.shape)]"),
        ),
        bug(
            *("texts_for_tokens", "takes the number of texts for the number of tokens: T is ids.shape[1]"),
            *("ids.shape[1]", "ids.shape[0]"),
        ),
        bug("place_T", "gives every token row T of wpe: the places 0 to T - 1 are asked for", POSITIONS, "wpe[T]"),
        bug("wpe_not_cut", "adds all rows of wpe, however many tokens there are", POSITIONS, "wpe"),
        bug("mean", "takes the mean of the two, not the sum", RESULT, "return (tokens + positions) / 2"),
        bug(
            *("concatenated", "puts the two side by side, so that a vector is twice as long"),
            *(RESULT, "return torch.cat([tokens, positions.expand_as(tokens)], dim=-1)"),
        ),
        bug("product", "multiplies the two", RESULT, "return tokens * positions"),
        bug(
            *("tokens_scaled", "multiplies the tokens by √C: the first Transformer did, GPT-2 does not"),
            *(TOKENS, "wte[ids] * wte.shape[1] ** 0.5"),
        ),
        bug("tables_swapped", "has the two tables swapped", TOKENS, "wpe[ids]", POSITIONS, "wte[torch.arange(T)]"),
        bug("detach", "cuts the gradient off at the token's rows", TOKENS, "wte[ids].detach()"),
    ),
)
