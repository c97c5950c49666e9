"""The code behind the page: which function computes what is shown, its file and line, and its source."""

import inspect
import textwrap
import tokenize
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import minigpt
from minigpt.analysis import activations, beam_tree, filters, lens, scoring
from minigpt.generation import constraints, cutoffs, sampling
from minigpt.generation.fields import FILTERS
from minigpt.models import attention, layers
from minigpt.playground.wire import Refused
from minigpt.playground.writing import Writing
from tokenizer import Tokenizer, merging, unigram, wordpiece

TABS: dict[str, Callable[..., Any]] = {  # each view of the page, by the end of its tab's id
    "bars": filters.filter_steps,
    "surprise": scoring.score,
    "lens": lens.logit_lens,
    "attention": attention.Attention,
    "tokens": Tokenizer.encode_by_hand,
    "beams": beam_tree.growing_tree,
    "architecture": activations.record,
    "knock": activations.patch,
}
STEPS: dict[str, Callable[..., Any]] = {  # of `minigpt.analysis.filters.filter_steps`
    "model": layers.softmax,
    "penalties": constraints.process,
    "greedy": sampling.sample,
    "temperature": sampling.filter_candidates,
    **{name: getattr(sampling, name, None) or getattr(cutoffs, name) for name in FILTERS},
}
CODE: dict[str, Callable[..., Any]] = {
    **TABS,
    **STEPS,
    "token": Writing.token,  # a token's probability, rank and surprise
    "merges": merging.merge_steps,
    "wordpiece": wordpiece.WordPiece.pieces,
    "unigram": unigram.best_pieces,
}


def step_of(title: str) -> str:
    """The name of a filter's code, from the title of its step.

    >>> step_of("top-k 40")
    'top_k'
    """
    return title.split(" ")[0].replace("-", "_")


@cache
def source(name: str) -> tuple[str, int, tuple[tuple[str, str], ...]]:
    """The file, the first line's number and the lines of the code of a name; for each line its code and its comment.

    >>> file, line, lines = source("merges")
    >>> file, lines[0]
    ('tokenizer/merging.py', ('def merge_steps(piece: bytes, ranks: Ranks) -> Iterator[tuple[int, list[bytes]]]:', ''))
    """
    function = inspect.unwrap(CODE[name])
    lines, first = inspect.getsourcelines(function)
    file = Path(inspect.getfile(function)).relative_to(Path(minigpt.__file__).parents[1])
    return file.as_posix(), first, tuple(parted(textwrap.dedent("".join(lines))))


def parted(code: str) -> list[tuple[str, str]]:
    """Each line as its code and its comment.

    >>> parted("n = 1  # one\\ns = '#'")
    [('n = 1  ', '# one'), ("s = '#'", '')]
    """
    lines = code.splitlines()
    tokens = tokenize.generate_tokens(iter(code.splitlines(keepends=True)).__next__)
    begin = {token.start[0]: token.start[1] for token in tokens if token.type == tokenize.COMMENT}
    ends = [begin.get(n, len(line)) for n, line in enumerate(lines, start=1)]
    return [(line[:end], line[end:]) for line, end in zip(lines, ends, strict=True)]


def where(name: str) -> str:
    """The file and the first line of the code of a name.

    >>> where("top_k").startswith("minigpt/generation/sampling.py:")
    True
    """
    file, line, _ = source(name)
    return f"{file}:{line}"


async def list_code(_: Request) -> Response:
    """Every name with its file and line."""
    return JSONResponse({name: where(name) for name in CODE})


async def show_code(request: Request) -> Response:
    """The lines of the code of a name of the table; 404 for all other names, whatever they look like."""
    name = request.path_params["name"]
    if name not in CODE:
        raise Refused(404, f"there is no code named {name!r:.60}: /code lists the names")
    file, line, lines = source(name)
    return JSONResponse({"file": file, "line": line, "lines": lines})
