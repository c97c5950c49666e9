"""Lesson 02: how often each pair of bytes occurs.

A dict, a Counter or a defaultdict, in any order; a pair that does not occur has no entry.
"""

from itertools import pairwise

from minigpt.exercises.exercise import Case, Exercise, bug


def count_pairs(words: dict[str, int]) -> dict[tuple[int, int], int]:
    """How often each pair of neighbouring bytes occurs in words, given how often each word occurs.

    count_pairs({"low": 5, "lot": 2}) is {(108, 111): 7, (111, 119): 5, (111, 116): 2}:
    "low".encode() is 108, 111, 119.
    """
    # BEGIN SOLUTION
    counts: dict[tuple[int, int], int] = {}
    for word, times in words.items():
        data = word.encode()
        for pair in pairwise(data):
            counts[pair] = counts.get(pair, 0) + times
    return counts
    # END SOLUTION


def cases() -> list[Case]:
    """No word, a short one, then repeats, umlauts, a pair both ways round, words with their spaces."""
    some: tuple[dict[str, int], ...] = (
        {"lo": 1},
        {"low": 3},
        {},
        {"a": 4},
        {"low": 5, "lot": 2},
        {"aaa": 2, "baab": 3},
        {"né": 2, "日": 3},
        {"abab": 3, "ba": 7, "A": 2},
        {"Once": 1, " upon": 2, " a": 9, " time": 4, " there": 5, " then": 6, " banana": 3},
    )
    return [Case((words,)) for words in some]


LOOP = "for word, times in words.items():"
DATA = "data = word.encode()"
PAIRS = "for pair in pairwise(data):"
SLICES = "for pair in (data[i : i + 2] for i in range(len(data) - 1)):"
ADD = "counts[pair] = counts.get(pair, 0) + times"
APART = """def apart(data):
        last = None
        for two in pairwise(data):
            last = None if two == last else two
            if last:
                yield two
"""

EXERCISE = Exercise(
    lesson="02",
    part=count_pairs,
    make_cases=cases,
    hints=(
        "Two loops: over the words, and within each word over its neighbours. What is a neighbour: a letter or a byte?",
        "word.encode() gives the bytes, pairwise(…) from itertools the neighbours. A word of 5 counts five times.",
        "for word, times in words.items(): for pair in pairwise(word.encode()): add times to counts[pair].",
    ),
    bugs=(
        bug("no_weights", "counts each word once, however often it occurs", "0) + times", "0) + 1"),
        bug(
            *("across_words", "counts pairs that reach from one word into the next"),
            *(LOOP, 'for word, times in [("".join(w * n for w, n in words.items()), 1)]:'),
        ),
        bug(
            *("words_joined", "joins the words into one: pairs reach across them, and how often each occurs is lost"),
            *(LOOP, 'for word, times in [("".join(words), 1)]:'),
        ),
        bug(
            *("overlapping_once", "counts pairs that overlap once: aaa has the pair aa twice"),
            *(LOOP, f"{APART}\n    {LOOP}", PAIRS, "for pair in apart(data):"),
        ),
        bug(
            "once_per_word",
            "counts a pair once in a word that has it twice",
            "in pairwise(data)",
            "in set(pairwise(data))",
        ),
        bug("unordered_pairs", "counts ab and ba as the same pair", ADD, f"pair = tuple(sorted(pair)); {ADD}"),
        bug("both_orders", "counts each pair the other way round, too", ADD, f"{ADD}; pair = pair[::-1]; {ADD}"),
        bug("reversed", "has the two of each pair swapped", ADD, f"pair = pair[::-1]; {ADD}"),
        bug("chars_not_bytes", "counts pairs of characters, not of bytes", DATA, "data = word"),
        bug(
            *("code_points", "counts pairs of code points: é is one of these, but two bytes"),
            *(DATA, "data = tuple(map(ord, word))"),
        ),
        bug(
            "bytes_for_pairs",
            "has pairs as bytes, b'lo', not as two numbers",
            PAIRS,
            SLICES,
        ),
        bug(
            "overwritten", "keeps the last count of a pair instead of adding up", "counts.get(pair, 0) + times", "times"
        ),
        bug("last_pair_missing", "leaves out the last pair of each word", "pairwise(data)", "pairwise(data[:-1])"),
        bug("first_pair_missing", "leaves out the first pair of each word", "pairwise(data)", "pairwise(data[1:])"),
        bug(
            *("every_other", "goes on two places after each pair, so that it misses every other one"),
            *("pairwise(data)", "list(pairwise(data))[::2]"),
        ),
        bug("gap", "pairs each byte with the next but one", "pairwise(data)", "zip(data, data[2:])"),
        bug(
            *("wraps_round", "pairs the last byte of a word with its first"),
            *("pairwise(data)", "zip(data, data[1:] + data[:1])"),
        ),
        bug("strip", "takes the spaces off the words", "word.encode()", "word.strip().encode()"),
        bug("lower", "lowers the words", "word.encode()", "word.lower().encode()"),
    ),
)
