"""The trainer: count the pairs, merge the most frequent, count again, until the vocabulary is full.

Counting all pairs anew after each merge takes minutes. Three facts make it less than a second: equal pieces
need counting once; a merge changes only the pieces that hold the pair, and in them only the neighbours; and
a heap gives the best pair, if an entry whose count has fallen since is put back with its new count.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import islice
from pathlib import Path

from tokenizer.bpe import Tokenizer
from tokenizer.fast.units import file_blocks, units, whole
from tokenizer.formats.byte_alphabet import BYTES, CHARS
from tokenizer.patterns import GPT2_PATTERN
from tokenizer.splitting import compile_pattern

MANY = 1 << 20  # units held before they are cut into pieces


def train(
    text: str | Path | Iterable[str],
    vocab_size: int,
    pattern: str = GPT2_PATTERN,
    special_tokens: Sequence[str] = ("<|endoftext|>",),
    progress: bool = False,
) -> Tokenizer:
    """A tokenizer with up to `vocab_size` tokens: 256 bytes, merges, special tokens; fewer if no pair is left.

    `text` is a string, several strings, or the Path of a file in UTF-8 of any size. Special tokens found in it
    are boundaries and never merge. The most frequent pair merges first, of equals the one with the smaller ids.
    Source: Sennrich et al. 2016 (arXiv 1508.07909); on bytes, Radford et al. 2019 (the GPT-2 report, 2.2).

    >>> tok = train("low lower lowest", 260)
    >>> [token for token in tok.ranks if len(token) > 1]
    [b'lo', b'low', b' low']
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
    if isinstance(text, Path):
        text = file_blocks(text, pattern, special_tokens)
    if isinstance(text, (str, bytes)) or not isinstance(text, Iterable):
        text = [text]
    words = count_pieces(text, pattern, special_tokens)
    tokens = [BYTES[i : i + 1] for i in range(256)]
    merges: Iterable[tuple[int, int]] = islice(find_merges(words), vocab_size - smallest)
    if progress:
        from tqdm import tqdm

        merges = tqdm(merges, total=vocab_size - smallest, desc="merges")
    for a, b in merges:
        tokens.append(tokens[a] + tokens[b])
    ranks = {token: i for i, token in enumerate(tokens)}
    return Tokenizer(ranks, pattern, {name: len(ranks) + i for i, name in enumerate(special_tokens)})


def count_pieces(texts: Iterable[str], pattern: str, special_tokens: Sequence[str] = ()) -> Counter[str]:
    """How often each piece occurs in the texts.

    >>> count_pieces(["a b", "a<|end|>a"], GPT2_PATTERN, ["<|end|>"])
    Counter({'a': 3, ' b': 1})
    """
    split = compile_pattern(pattern)
    special = re.compile("|".join(map(re.escape, sorted(special_tokens, key=len, reverse=True))) or r"(?!)")
    pieces: Counter[str] = Counter()
    seen: dict[str, Counter[str]] = {"": Counter(), " ": Counter()}

    def cut() -> None:
        for before, counts in seen.items():
            for unit, times in counts.items():
                for piece in split(before + unit):
                    pieces[piece] += times
            counts.clear()

    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"text {text!r:.60} is no string: give one, several, or the Path of a file")
        for part in special.split(whole(text)):
            for before, found in units(part, pattern):
                seen[before].update(found)
            if len(seen[""]) + len(seen[" "]) > MANY:
                cut()
    cut()
    return pieces


def find_merges(pieces: Counter[str]) -> Iterator[tuple[int, int]]:
    """The pairs of ids to merge, in order, until none is left; the first merge's result gets the id 256.

    A word is held as a string with one character per token, chr(id): then `find` looks for a pair, and pairs
    compare as their ids do.

    >>> list(find_merges(Counter({"aaab": 2})))  # 64 and 65 are the bytes of "a" and "b"
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
    token = 256
    while heap:
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
            word, n = words[w], times[w]
            i = word.find(pair)
            while i >= 0:
                left, right = word[i - 1 : i], word[i + 2 : i + 3]
                if left:
                    counts[left + first] -= n
                    counts[left + new] += n
                    born[left + new].add(w)
                if right:
                    counts[second + right] -= n
                    counts[new + right] += n
                    born[new + right].add(w)
                word = word[:i] + new + word[i + 2 :]
                i = word.find(pair, i + 1)
            words[w] = word
        for other, places in born.items():
            if counts[other] > 0:
                where[other] = places
                heappush(heap, (-counts[other], other))
        token += 1
