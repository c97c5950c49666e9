"""Lesson 02: one merge of byte-pair encoding."""

from itertools import product

from minigpt.exercises.exercise import Case, Exercise, bug


def merge(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    """A list of ids in which every occurrence of the pair, from the left, has become the new id.

    merge([1, 2, 3, 1, 2], (1, 2), 9) is [9, 3, 9].
    """
    # BEGIN SOLUTION
    out, i = [], 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out
    # END SOLUTION


def cases() -> list[Case]:
    """Every list of up to four ids, with a pair of two and one of the same twice; then a longer one."""
    lists = [list(ids) for n in range(5) for ids in product((1, 2, 3), repeat=n)]
    return [Case((ids, pair, 9)) for ids in [*lists, [2, 1, 1, 1, 2, 1, 2, 1, 1]] for pair in ((1, 2), (1, 1))]


HIT = "i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair"

EXERCISE = Exercise(
    lesson="02",
    part=merge,
    make_cases=cases,
    hints=(
        "Walk through the list with an index. At each place: do this id and the next one make the pair?",
        "After a merge go on two places further, else one. Mind the last id, which has no next one.",
        "while i < len(ids): if the two are the pair, append new and i += 2; else append ids[i] and i += 1.",
    ),
    bugs=(
        bug("no_skip", "keeps the second id of the pair as well", "            i += 2", "            i += 1"),
        bug("once", "merges the first occurrence alone", HIT, f"{HIT} and new not in out"),
        bug(
            *("right_to_left", "merges from the right, so that of 1 1 1 the last two go together"),
            *("out, i = [], 0", "ids, pair, out, i = ids[::-1], pair[::-1], [], 0", "return out", "return out[::-1]"),
        ),
        bug("no_tail", "loses the last id where it is not merged", "while i < len(ids):", "while i < len(ids) - 1:"),
        bug(
            *("list_and_tuple", "merges nothing: a list such as ids[i : i + 2] never equals the tuple pair"),
            *(HIT, "i + 1 < len(ids) and ids[i : i + 2] == pair"),
        ),
        bug("either_order", "merges the pair in the other order, too", "== pair:", "in (pair, pair[::-1]):"),
        bug("any_member", "replaces each id of the pair by itself", HIT, "ids[i] in pair", "i += 2", "i += 1"),
        bug("first_of_pair", "looks at the first id of the pair alone", HIT, "i + 1 < len(ids) and ids[i] == pair[0]"),
        bug("keeps_both", "puts the new id behind the pair, not in its place", "append(new)", "extend((*pair, new))"),
        bug(
            "past_the_end",
            "looks at the id after the last one",
            "i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair",
            "ids[i] == pair[0] and ids[i + 1] == pair[1]",
        ),
    ),
)
