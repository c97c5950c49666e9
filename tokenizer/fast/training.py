"""The trainer's public form: checks, files of any size, progress, and fast counting of pieces.

Counting all pairs again after each merge takes hours. It takes less than a second if equal pieces are counted once,
and a merge changes only the counts of its neighbours (`tokenizer.fast.pairs`).
"""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from io import TextIOBase
from pathlib import Path

from tokenizer import training
from tokenizer.bpe import Tokenizer
from tokenizer.fast.pairs import find_merges
from tokenizer.fast.units import file_blocks, unit_splitter, units
from tokenizer.formats.byte_alphabet import CHARS
from tokenizer.patterns import GPT2_PATTERN, any_of
from tokenizer.unicode import join_surrogates

MANY = 1 << 20  # units held before they are cut into pieces
PROBE = ("it's 12 bananas, ", "banana bandana!  abba\n", "aaaa <|x|>aaa", "n", " ab ab")


def train(
    text: str | Path | Iterable[str],
    vocab_size: int,
    pattern: str = GPT2_PATTERN,
    special_tokens: Iterable[str] = ("<|endoftext|>",),
    progress: bool = False,
    plain: bool = False,
) -> Tokenizer:
    """A tokenizer with up to `vocab_size` tokens: 256 bytes, merges, special tokens; fewer if no pair is left.

    `text` is a string, several strings, the Path of a UTF-8 file of any size, or a file open for reading. Special
    tokens found in it are boundaries and never merge. The most frequent pair merges first, among equals the one with
    the smaller ids. `plain` trains exactly as `tokenizer/training.py` does, which takes a thousand times as long.

    >>> tok = train("low lower lowest", 260)
    >>> [token for token in tok.ranks if len(token) > 1]
    [b'lo', b'low', b' low']
    """
    special_tokens = check(vocab_size, special_tokens, pattern)
    if isinstance(text, Path):
        text = file_blocks(text, pattern, special_tokens)
    elif isinstance(text, TextIOBase):
        text = text.read()  # line by line it would be many texts, and no piece would hold two line ends
    if isinstance(text, (str, bytes, Mapping)) or not isinstance(text, Iterable):
        text = [checked(text)]
    by_hand = plain or differs(pattern)
    count = training.count_pieces if by_hand else count_pieces
    find = training.find_merges if by_hand else find_merges

    def shown(pieces: Counter[str], n: int) -> Iterable[tuple[int, int]]:
        if not progress:
            return find(pieces, n)
        from tqdm import tqdm

        return tqdm(find(pieces, n), total=min(n, sum(map(len, pieces)) * 4), desc="merges")

    texts = map(checked, text)
    return Tokenizer.of(training.train_by_hand(texts, vocab_size, pattern, special_tokens, count, shown), plain)


def check(vocab_size: int, special_tokens: Iterable[str], pattern: str = GPT2_PATTERN) -> list[str]:
    """The special tokens, or a ValueError if one of them, the size or the pattern is invalid.

    >>> check(200, [])
    Traceback (most recent call last):
    ValueError: vocab_size 200 is too small: 256 bytes and the special tokens need 256
    """
    ordered = isinstance(special_tokens, Iterable) and not isinstance(special_tokens, (str, bytes, Mapping, Set))
    names = list(special_tokens) if ordered else []
    strings = ordered and all(isinstance(name, str) and name == join_surrogates(name) != "" for name in names)
    if not strings or len(set(names)) < len(names):
        raise ValueError(f"special_tokens {special_tokens!r:.60}: give a list of different names, ids in its order")
    if spelled := sorted(set(names) & set(CHARS)):
        raise ValueError(f"special token {spelled[0]!r} is how files write a byte: give it a longer name")
    if isinstance(vocab_size, bool) or not hasattr(vocab_size, "__index__"):
        raise ValueError(f"vocab_size {vocab_size!r:.60} is no whole number: give one, as in 4096")
    smallest = 256 + len(names)
    if vocab_size < smallest:
        raise ValueError(
            f"vocab_size {vocab_size!r:.60} is too small: 256 bytes and the special tokens need {smallest}"
        )
    if not isinstance(pattern, str):
        raise ValueError(f"pattern {pattern!r:.60} is no string: give a regular expression, as GPT2_PATTERN is")
    return names


def checked(text: object) -> str:
    """The text, or a ValueError if it is not a string.

    >>> checked("a")
    'a'
    """
    if not isinstance(text, str):
        raise ValueError(f"text {text!r:.60} is no string: give one, several, or the Path of a file")
    return text


def differs(pattern: str) -> bool:
    """Whether the fast trainer gives other merges than `tokenizer/training.py` on a short text; says so on stderr.

    >>> differs(GPT2_PATTERN)
    False
    """
    plain = training.train_by_hand(PROBE, 290, pattern, ["<|x|>"], training.count_pieces, training.find_merges)
    if plain == training.train_by_hand(PROBE, 290, pattern, ["<|x|>"], count_pieces, find_merges):
        return False
    sys.stderr.write("minigpt: the fast trainer differs from tokenizer/training.py: the plain one is used\n")
    return True


def count_pieces(texts: Iterable[str], pattern: str, special_tokens: Sequence[str] = ()) -> Counter[str]:
    """How often each piece occurs in the texts.

    >>> count_pieces(["a b", "a<|end|>a"], GPT2_PATTERN, ["<|end|>"])
    Counter({'a': 3, ' b': 1})
    """
    split, special = unit_splitter(pattern), any_of(special_tokens)
    pieces: Counter[str] = Counter()
    held: dict[str, Counter[str]] = {"": Counter(), " ": Counter()}

    def cut() -> None:
        for before, counts in held.items():
            for unit, times in counts.items():
                for piece in split(before + unit):
                    pieces[piece] += times
            counts.clear()

    for text in texts:
        for part in special.split(join_surrogates(text)):
            for before, found in units(part, pattern):
                held[before].update(found)
            if len(held[""]) + len(held[" "]) > MANY:
                cut()
    cut()
    return pieces
