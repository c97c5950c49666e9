"""The tree that a beam search grows: what it kept, what it dropped, and with which scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Unpack

from minigpt.generation.beam_search import rounds
from minigpt.generation.keywords import Keywords
from minigpt.generation.sequences import plan
from minigpt.generation.settings import Settings, resolve
from minigpt.models.interface import Model


@dataclass(frozen=True)
class BeamNode:
    """A token that was looked at: its place in the tree, and what became of it."""

    id: int
    parent: int | None  # the node before it in the list, None for the prompt
    depth: int  # 1 for the first new token
    logprob: float  # of this token, given all before it
    total: float  # summed, what beams are ranked by
    state: str  # "kept", "dropped", or "finished": it ends a text
    score: float | None = None  # of a finished text: total / depth ** length_penalty
    best: bool = False  # on the way to the text that won


Tree = tuple[list[BeamNode], tuple[int, ...]]  # the nodes, and the new tokens of the text that is best


def beam_tree(model: Model, ids: Sequence[int], **settings: Unpack[Keywords]) -> list[BeamNode]:
    """Every continuation of a prompt that a beam search looked at, in the order in which it did, parents first.

    It is the search of `generate` itself. The winner's tokens are those marked `best`. Raises as `generate` does, and
    ValueError if num_beams is below 2.

    >>> from minigpt.models.gpt2 import GPT2, GPT2Config
    >>> model = GPT2(GPT2Config(vocab_size=9, n_ctx=16, n_layer=1, n_head=2, n_embd=8))
    >>> tree = beam_tree(model, [1, 2], num_beams=2, max_new_tokens=3)
    >>> [sum(node.depth == depth and node.state != "dropped" for node in tree) for depth in (1, 2, 3)]
    [2, 2, 2]
    """
    trees = list(growing_tree(model, ids, resolve(settings)))
    return mark(*trees[-1]) if trees else []


def growing_tree(model: Model, ids: Sequence[int], settings: Settings) -> Iterator[Tree]:
    """The same after each round of the search: all nodes so far, none of them marked, and the tokens of the best
    finished text, which `mark` marks. Close the iterator to compute no further round. Raises as `beam_tree` does."""
    if settings.num_beams < 2:
        raise ValueError(f"num_beams is {settings.num_beams}: a tree needs 2 beams or more")
    nodes: list[BeamNode] = []
    places: list[int | None] = [None]  # where the running beams are in the list
    winner: tuple[int, ...] = ()
    for depth, step in enumerate(rounds(model, plan(model, [list(ids)], settings)[0], settings), start=1):
        here: list[int | None] = []
        for rank, (beam, end) in enumerate(zip(step.ranked, step.ends, strict=True)):
            kept = any(beam is other for other in step.running)
            state = "kept" if kept else "finished" if end and rank < settings.num_beams else "dropped"
            score = beam.total / depth**settings.length_penalty if state == "finished" else None
            if kept:
                here.append(len(nodes))
            nodes.append(
                BeamNode(beam.new[-1], places[beam.parent], depth, beam.logprobs[-1], beam.total, state, score)
            )
        places = here
        if step.finished:
            winner = step.finished[0][1].new
        yield nodes, winner


def mark(nodes: list[BeamNode], winner: Sequence[int]) -> list[BeamNode]:
    """The same tree with the tokens of the winning text marked, each the child of the one before."""
    at: int | None = None
    path = set()
    for depth, id in enumerate(winner, start=1):
        at = next(i for i, node in enumerate(nodes) if (node.depth, node.id, node.parent) == (depth, id, at))
        path.add(at)
    return [replace(node, best=i in path) for i, node in enumerate(nodes)]
