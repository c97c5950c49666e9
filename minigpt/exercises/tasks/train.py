"""Lesson 02: the trainer of byte-pair encoding.

Of equally frequent pairs the one with the smaller ids is merged first: any other rule is a bug with a name. Merging
stops where no pair is left, and not before: a pair that occurs once is merged, too.
"""

import re
from collections import Counter
from itertools import pairwise

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.exercises.tasks.merge import merge


def train(text: str, n: int) -> dict[bytes, int]:
    r"""A vocabulary of n tokens: the 256 bytes, then a token for every merge of the most frequent
    pair, with their ids.

    Of equally frequent pairs that with the smaller ids, compared as tuples, comes first. It ends
    early where no pair is left. The text is cut at <|endoftext|>, then into words, each with the
    space before it, by re.findall(r" ?\S+", …); no pair reaches across a cut. train("low lower
    lowest", 259) has b"lo" at 256, b"low" at 257, b" low" at 258.
    """
    # BEGIN SOLUTION
    tokens = [bytes([i]) for i in range(256)]
    parts = text.split("<|endoftext|>")
    words = Counter(word for part in parts for word in re.findall(r" ?\S+", part))
    ids = {word: list(word.encode()) for word in words}
    while len(tokens) < n:
        counts: Counter[tuple[int, int]] = Counter()
        for word, times in words.items():
            for pair in pairwise(ids[word]):
                counts[pair] += times
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        ids = {word: merge(some, best, len(tokens)) for word, some in ids.items()}
        tokens.append(tokens[best[0]] + tokens[best[1]])
    return {token: i for i, token in enumerate(tokens)}
    # END SOLUTION


def cases() -> list[Case]:
    """A word, then ties, repeats, umlauts, capitals, a special token in words, no text, one that runs out of pairs."""
    some = (
        ("low low", 257),
        ("low", 256),
        ("low lower lowest", 259),
        ("ba cd ba cd ab", 257),
        ("dc ab dc ab ee ee ee", 259),
        ("aaaa aaa baa", 258),
        ("xyxyxy pq pq", 257),
        ("banana bandana banana", 261),
        ("né né 日本 日本 日", 262),
        ("The the THE the hat", 261),
        ("it's, it's a.b, a.b", 260),
        ("ab<|endoftext|>ab cb<|endoftext|>cd bc", 259),
        ("end<|endoftext|> ends<|endoftext|>x", 262),
        ("a b c", 260),
        ("it", 260),
        ("", 258),
        (material.TEXTS[0] + "<|endoftext|>" + material.TEXTS[1], 270),
    )
    return [Case(pair) for pair in some]


PART = 'parts = text.split("<|endoftext|>")'
WORDS = r're.findall(r" ?\S+", part)'
BEST = "min(counts, key=lambda pair: (-counts[pair], pair))"
MERGED = "merge(some, best, len(tokens))"
COUNT = "counts[pair] += times"
RESULT = "{token: i for i, token in enumerate(tokens)}"
END = "        if not counts:\n            break\n"

EXERCISE = Exercise(
    lesson="02",
    part=train,
    make_cases=cases,
    hints=(
        "Count the pairs of all words, merge the most frequent one in all of them, and begin again: that is all.",
        "Keep for each different word how often it occurs, and its ids, which merging shortens. A new token gets the "
        "next id, and its bytes are those of its two parts.",
        "while len(tokens) < n: count pairs; best = min(counts, key=lambda pair: (-counts[pair], pair)); merge it in "
        "every word with len(tokens) as its id; append tokens[best[0]] + tokens[best[1]].",
    ),
    bugs=(
        bug(
            *("tie_by_first_seen", "takes, of equally frequent pairs, the one that comes first in the text"),
            *(BEST, "max(counts, key=lambda pair: counts[pair])"),
        ),
        bug(
            *("tie_by_larger", "takes, of equally frequent pairs, the one with the larger ids"),
            *(BEST, "max(counts, key=lambda pair: (counts[pair], pair))"),
        ),
        bug(
            *("tie_by_last_seen", "takes, of equally frequent pairs, the one that comes last in the text"),
            *(BEST, "max(reversed(counts), key=lambda pair: counts[pair])"),
        ),
        bug(
            *("tie_by_bytes", "compares, of equally frequent pairs, the bytes of the tokens, not their ids"),
            *(BEST, "min(counts, key=lambda pair: (-counts[pair], [tokens[i] for i in pair]))"),
        ),
        bug("least_frequent", "merges the least frequent pair", "(-counts[pair], pair)", "(counts[pair], pair)"),
        bug("smallest_pair", "merges the pair with the smallest ids, however rare", "(-counts[pair], pair)", "pair"),
        bug(
            *("recount_missing", "counts once, at the start: pairs with a new token are never seen"),
            *("while len(tokens) < n:", "taken = set()\n    while len(tokens) < n:"),
            *(COUNT, f"{COUNT} if pair not in taken else 0", "        if not counts:", "        if not +counts:"),
            *(MERGED, "some", "tokens.append(", "taken.add(best); tokens.append("),
        ),
        bug(
            "not_merged", "does not merge the pair that it finds, so that the same wins again and again", MERGED, "some"
        ),
        bug(
            "256_forgotten",
            "makes n merges, where the 256 bytes are among the n",
            "len(tokens) < n",
            "len(tokens) - 256 < n",
        ),
        bug(
            *("bytes_left_out", "leaves the 256 bytes out of the vocabulary"),
            *(RESULT, "{token: i for i, token in enumerate(tokens) if i > 255}"),
        ),
        bug(
            *("ids_from_0", "leaves the 256 bytes out of the vocabulary, and counts from 0"),
            *(RESULT, "{token: i for i, token in enumerate(tokens[256:])}"),
        ),
        bug("ids_to_tokens", "returns ids -> tokens: asked for is tokens -> ids", RESULT, "dict(enumerate(tokens))"),
        bug("returns_list", "returns a list of tokens: asked for is a dict of tokens -> ids", RESULT, "tokens"),
        bug("one_too_many", "makes one token too many", "len(tokens) < n", "len(tokens) <= n"),
        bug("one_too_few", "makes one token too few", "len(tokens) < n", "len(tokens) < n - 1"),
        bug("counts_special", "takes <|endoftext|> for text, and merges it", PART, "parts = [text]"),
        bug(
            *("special_removed", "takes <|endoftext|> out without a cut, so that two words become one"),
            *(PART, 'parts = [text.replace("<|endoftext|>", "")]'),
        ),
        bug(
            *("special_to_space", "puts a space in the place of <|endoftext|>"),
            *(PART, 'parts = [text.replace("<|endoftext|>", " ")]'),
        ),
        bug("across_words", "does not cut into words, so that pairs reach across them", WORDS, "[part]"),
        bug("space_lost", "loses the space before each word", WORDS, "part.split()"),
        bug("no_weights", "counts each word once, however often it occurs", COUNT, "counts[pair] += 1"),
        bug(
            *(
                "once_per_text",
                "counts a word once for each part of the text that has it, however often it stands there",
            ),
            *(WORDS, f"set({WORDS})"),
        ),
        bug(
            "once_per_word",
            "counts a pair once in a word that has it twice",
            "pairwise(ids[word])",
            "set(pairwise(ids[word]))",
        ),
        bug(
            "merge_once",
            "merges a pair once in a word that has it twice",
            MERGED,
            f"once({MERGED[6:]}",
            "    while len",
            "    def once(some, pair, new):\n"
            "        at = next((i for i, two in enumerate(pairwise(some)) if two == pair), None)\n"
            "        return some if at is None else [*some[:at], new, *some[at + 2 :]]\n\n    while len",
        ),
        bug(
            "stops_at_once",
            "stops at pairs that occur once",
            "if not counts:",
            "if max(counts.values(), default=0) < 2:",
        ),
        bug("no_pair_left", "fails where no pair is left to merge", END, "", "len(tokens) < n", "n > len(tokens)"),
        bug(
            "code_points",
            "begins with code points, where it should have bytes",
            "list(word.encode())",
            "list(map(ord, word))",
        ),
        bug("lower", "lowers the text", "parts = text.split", "parts = text.lower().split"),
    ),
)
