"""The trainer's public form: checks, files of any size, progress, and a search for merges that counts only once.

Counting all pairs anew after each merge takes hours. Three facts make it less than a second: equal pieces
need counting once; a merge changes only the pieces that hold the pair, and in them only the neighbours; and
a heap gives the best pair, if an entry whose count has fallen since is put back with its new count.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from pathlib import Path

from tokenizer import training
from tokenizer.bpe import Tokenizer
from tokenizer.fast.units import file_blocks, unit_splitter, units
from tokenizer.formats.byte_alphabet import BYTES, CHARS
from tokenizer.patterns import GPT2_PATTERN, any_of
from tokenizer.unicode import join_surrogates

MANY = 1 << 20  # units held before they are cut into pieces
PROBE = ("it's 12 bananas, ", "banana bandana!  abba\n", "aaaa <|x|>aaa", "n", " ab ab")


def train(
    text: str | Path | Iterable[str],
    vocab_size: int,
    pattern: str = GPT2_PATTERN,
    special_tokens: Sequence[str] = ("<|endoftext|>",),
    progress: bool = False,
    plain: bool = False,
) -> Tokenizer:
    """A tokenizer with up to `vocab_size` tokens: 256 bytes, merges, special tokens; fewer if no pair is left.

    `text` is a string, several strings, or the Path of a file in UTF-8 of any size. Special tokens found in it
    are boundaries and never merge. The most frequent pair merges first, of equals the one with the smaller ids.
    `plain` trains as `tokenizer/training.py` reads, which takes a thousand times as long.

    >>> tok = train("low lower lowest", 260)
    >>> [token for token in tok.ranks if len(token) > 1]
    [b'lo', b'low', b' low']
    """
    check(vocab_size, special_tokens)
    if isinstance(text, Path):
        text = file_blocks(text, pattern, special_tokens)
    if isinstance(text, (str, bytes)) or not isinstance(text, Iterable):
        text = [text]
    by_hand = plain or differs(pattern)
    count = training.count_pieces if by_hand else count_pieces
    find = training.find_merges if by_hand else find_merges

    def shown(pieces: Counter[str], n: int) -> Iterable[tuple[int, int]]:
        if not progress:
            return find(pieces, n)
        from tqdm import tqdm

        return tqdm(find(pieces, n), total=n, desc="merges")

    texts = map(checked, text)
    return Tokenizer.of(training.train_by_hand(texts, vocab_size, pattern, special_tokens, count, shown), plain)


def check(vocab_size: int, special_tokens: Sequence[str]) -> None:
    """A ValueError where the size or a special token cannot be.

    >>> check(200, [])
    Traceback (most recent call last):
    ValueError: vocab_size 200 is too small: 256 bytes and the special tokens need 256
    """
    if not hasattr(vocab_size, "__index__"):
        raise ValueError(f"vocab_size {vocab_size!r:.60} is no whole number: give one, as in 4096")
    smallest = 256 + len(special_tokens)
    if vocab_size < smallest:
        raise ValueError(f"vocab_size {vocab_size} is too small: 256 bytes and the special tokens need {smallest}")
    if isinstance(special_tokens, str) or len(set(special_tokens)) < len(special_tokens) or "" in special_tokens:
        raise ValueError(f"special_tokens {special_tokens!r}: give a list of different names")
    if spelled := sorted(set(special_tokens) & set(CHARS)):
        raise ValueError(f"special token {spelled[0]!r} is how files write a byte: give it a longer name")


def checked(text: object) -> str:
    """The text, or a ValueError where it is none.

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


def find_merges(pieces: Counter[str], n: int) -> Iterator[tuple[int, int]]:
    """Up to `n` pairs of ids to merge, in order, until none is left; the first merge's result gets the id 256.

    A word is held as a string with one character per token, chr(id): then `find` looks for a pair, and pairs
    compare as their ids do.

    >>> list(find_merges(Counter({"aaab": 2}), 9))  # 64 and 65 are the bytes of "a" and "b"
    [(64, 64), (64, 65), (256, 257)]
    """
    byte_id = bytes.maketrans(BYTES, bytes(range(256)))
    words = [piece.encode().translate(byte_id).decode("latin-1") for piece in pieces]
    times = list(pieces.values())
    counts: dict[str, int] = defaultdict(int)
    where: dict[str, set[int]] = defaultdict(set)  # the words that hold the pair, or once did
    for w, word in enumerate(words):
        for i in range(len(word) - 1):
            counts[word[i : i + 2]] += times[w]
            where[word[i : i + 2]].add(w)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapify(heap)
    token, last = 256, 255 + n
    while heap and token <= last:
        count, pair = heappop(heap)
        if -count != counts[pair]:  # it has lost some since
            if counts[pair] > 0:
                heappush(heap, (-counts[pair], pair))
            continue
        first, second = pair[0], pair[1]
        yield ord(first), ord(second)
        new = chr(token)
        born: dict[str, set[int]] = defaultdict(set)
        for w in where.pop(pair):
            word, many = words[w], times[w]
            i = word.find(pair)
            while i >= 0:
                left, right = word[i - 1 : i], word[i + 2 : i + 3]
                if left:
                    counts[left + first] -= many
                    counts[left + new] += many
                    born[left + new].add(w)
                if right:
                    counts[second + right] -= many
                    counts[new + right] += many
                    born[new + right].add(w)
                word = word[:i] + new + word[i + 2 :]
                i = word.find(pair, i + 1)
            words[w] = word
        for other, places in born.items():
            if counts[other] > 0:
                where[other] = places
                heappush(heap, (-counts[other], other))
        token += 1
