"""Lesson 02: the tokens of one piece of text.

Whoever looks the whole piece up first, as tiktoken does, is right: where merges can make every token it is the same.
"""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

from minigpt.exercises.exercise import Case, Exercise, bug
from tokenizer.splitting import split as cut


def encode(piece: bytes, ranks: dict[bytes, int]) -> list[int]:
    """The ids of a piece of text, given those of all tokens: joins the neighbours of lowest id
    until none are a token.

    With ranks = {b"a": 0, b"b": 1, b"c": 2, b"bc": 3, b"ab": 4}: encode(b"abc", ranks) is [0, 3],
    since 3 is lower than 4, and encode(b"cab", ranks) is [2, 4]. Of equal pairs the first is
    joined. A piece that is a token may be looked up at once, as tiktoken does: with what a trainer
    gives it is the same.
    """
    # BEGIN SOLUTION
    parts = [piece[i : i + 1] for i in range(len(piece))]
    while True:
        pairs = [left + right for left, right in pairwise(parts)]
        known = [pair for pair in pairs if pair in ranks]
        if not known:
            break
        best = min(known, key=lambda pair: ranks[pair])
        i = pairs.index(best)
        parts[i : i + 2] = [best]
    return [ranks[part] for part in parts]
    # END SOLUTION


RANKS = {b"a": 4, b"b": 1, b"c": 3, b"bc": 5, b"ab": 6, b"aa": 7}
FOUND = {  # found by a search: every bug gives something else on one of them; ranks are as a trainer gives them
    b"abbb": {b"b": 2, b"a": 3, b"bb": 5, b"abb": 7},
    b"acccaa": {b"c": 1, b"a": 3, b"cc": 4, b"acc": 5, b"ac": 6},
    b"dadacdda": {b"d": 0, b"c": 1, b"a": 3, b"da": 4, b"dd": 6, b"dad": 8},
    b"bcadccab": {b"d": 0, b"c": 1, b"b": 2, b"a": 3, b"ca": 4, b"cab": 6, b"cc": 7, b"ccab": 8},
    b"abacdccdb": {b"d": 0, b"c": 1, b"b": 2, b"a": 3, b"cd": 5, b"ab": 6, b"ac": 7, b"db": 8, b"ccd": 10},
}


@cache
def real() -> dict[bytes, int]:
    """The storyteller's own vocabulary."""
    from tokenizer import Tokenizer

    return dict(Tokenizer.load("storyteller").ranks)


def cut_to(piece: bytes, ranks: dict[bytes, int]) -> dict[bytes, int]:
    """The part of a vocabulary that can matter for a piece."""
    return {token: rank for token, rank in ranks.items() if token in piece}


def acts(writer: Any, part: Callable[[bytes, dict[bytes, int]], list[int]]) -> None:
    """The prompt's tokens are those that the learner's merges find."""
    ranks, pattern = writer.tokenizer.ranks, writer.tokenizer.pattern
    writer.encode = lambda text: [id for piece in cut(text, pattern) for id in part(piece.encode(), ranks)]


def cases() -> list[Case]:
    """One byte, two, none; then crafted ranks, in which every rule gives something else; then real words and ranks."""
    few = [Case((piece, cut_to(piece, RANKS))) for piece in (b"b", b"bc", b"ba", b"", b"abc", b"aaa", b"cabab")]
    words = (b" there", b"banana", " müde".encode(), b" beautifully")
    return [
        *few,
        *map(Case, FOUND.items()),
        Case((b"ab", {b"ab": 0, b"a": 2, b"b": 1})),
        Case((b"abc", {b"a": 0, b"b": 1, b"c": 2, b"abc": 3, b"ab": 4})),
        *(Case((word, cut_to(word, real()))) for word in words),
    ]


PARTS = "parts = [piece[i : i + 1] for i in range(len(piece))]"
BEST = "min(known, key=lambda pair: ranks[pair])"
FIRST, LAST = "i = pairs.index(best)", "i = len(pairs) - 1 - pairs[::-1].index(best)"
RESULT = "[ranks[part] for part in parts]"
GREEDY = """parts, i = [], 0
    while i < len(piece):
        parts.append(next(piece[i:j] for j in range(len(piece), i, -1) if piece[i:j] in ranks))
        i += len(parts[-1])"""
SCAN = """parts, i = [], 0
    while i < len(piece):
        parts.append(piece[i : i + 2] if piece[i : i + 2] in ranks else piece[i : i + 1])
        i += len(parts[-1])"""
GROWN = """parts = []
    for i in range(len(piece)):
        byte = piece[i : i + 1]
        if parts and parts[-1] + byte in ranks:
            parts[-1] += byte
        else:
            parts.append(byte)"""

ORDER = """
    for token in sorted(ranks, key=lambda token: ranks[token]):
        for i in range(len(parts) - 1):
            if b"".join(parts[i : i + 2]) == token:
                parts[i : i + 2] = [token]"""

EXERCISE = Exercise(
    lesson="02",
    part=encode,
    make_cases=cases,
    acts=acts,
    hints=(
        "Begin with single bytes. Which neighbours, joined, are a token? Join those of lowest id, and look again.",
        "piece[i : i + 1] is one byte as bytes, piece[i] a number. A join makes new pairs: look at all of them anew.",
        "while True: pairs of neighbours, joined; those in ranks; none left: break; the one of lowest rank; its first "
        "place i; parts[i : i + 2] = [pair]. At the end the ranks of the parts.",
    ),
    bugs=(
        bug(
            "by_frequency",
            "joins the pair that is most frequent in the piece, not the one of lowest id",
            BEST,
            "max(known, key=pairs.count)",
        ),
        bug("left_to_right", "joins the first pair that is a token, whatever its id", BEST, "known[0]"),
        bug(
            *("last_known", "joins the last pair that is a token, whatever its id"),
            *("best = min(known, key=lambda pair: ranks[pair])", "best = known[-1]", FIRST, LAST),
        ),
        bug("highest_rank", "joins the pair of highest id", BEST, "max(known, key=lambda pair: ranks[pair])"),
        bug(
            *("by_length", "joins the pair that makes the longest token, of equally long ones that of lowest id"),
            *(BEST, "max(known, key=lambda pair: (len(pair), -ranks[pair]))"),
        ),
        bug(
            *(
                "longest_match",
                "cuts off the longest token that fits, again and again: WordPiece works like that",
            ),
            *(PARTS, GREEDY, "while True:", "while False:"),
        ),
        bug(
            *("one_pass", "goes over the bytes once, from left to right, joining two where they are a token"),
            *(PARTS, SCAN, "while True:", "while False:"),
        ),
        bug(
            *("grown", "adds each byte to the token before it where that makes a token: no id is looked at"),
            *(PARTS, GROWN, "while True:", "while False:"),
        ),
        bug(
            *("in_order", "goes through the tokens once, by their ids: a join can make a pair of lower id"),
            *(PARTS, PARTS + ORDER, "while True:", "while False:"),
        ),
        bug("one_merge", "joins one pair, and does not look again", "while True:", "for _ in range(1):"),
        bug(
            "bytes_only",
            "joins single bytes alone, never a token that it made",
            "if pair in ranks",
            "if pair in ranks and len(pair) == 2",
        ),
        bug(
            "last_of_equals",
            "joins the last of equal pairs: of aaa the last two",
            FIRST,
            LAST,
        ),
        bug("no_merge", "joins nothing: every byte stays a token", "while True:", "while False:"),
        bug("returns_tokens", "returns the tokens, not their ids", RESULT, "parts"),
        bug("returns_numbers", "returns the numbers of the bytes, not the ids of tokens", RESULT, "list(piece)"),
        bug(
            *("no_stop", "does not end where no two neighbours make a token"),
            *("while True:", "while len(parts) > 1:", "            break", "            continue"),
            endless=True,
        ),
    ),
)
