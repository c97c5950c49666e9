"""Passages of a few whole sentences, to be given gaps, and the ids of their words."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from random import Random

from minigpt.train.data import split_documents
from tokenizer import Tokenizer, train
from tokenizer.splitting import split
from tokenizer.unigram import Unigram
from tokenizer.unigram_training import as_t5, train_unigram
from tokenizer.vocabulary import Vocabulary
from tokenizer.wordpiece import WordPiece, split_words
from tokenizer.wordpiece_training import train_wordpiece

ENDS = re.compile(r"""(?<=[.!?])["')]*\s+|\n+""")  # of sentences
N_WORDS = 40  # of a passage
N_CTX = 64  # tokens of a text, those around it included
SENTINELS = 10
FREQUENT = 500  # words that WordPiece's trainer learns from
BART_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")  # the first ids, as in BART's own vocabulary
Encode = Callable[[str], list[list[int]]]


def sentences(text: str) -> list[str]:
    """The sentences of all documents of a text, with the quotes that close them.

    >>> sentences('"Go!" he said.  She went.\\n<|endoftext|>\\nOnce')
    ['"Go!"', 'he said.', 'She went.', 'Once']
    """
    found: list[str] = []
    for document in split_documents(text):
        start = 0
        for match in ENDS.finditer(document):
            end = match.start() + len(match.group().rstrip())
            found.append(document[start:end])
            start = match.end()
        found.append(document[start:])
    return [sentence.strip() for sentence in found if sentence.strip()]


def count(sentences: Sequence[str], start: int) -> int:
    """How many sentences from `start` on fit into a passage of 40 words, at least one.

    >>> count(["One two.", "Three.", "four " * 40], 0)
    2
    """
    end, n = start + 1, len(sentences[start].split())
    while end < len(sentences) and (n := n + len(sentences[end].split())) <= N_WORDS:
        end += 1
    return end - start


def draw_passage(sentences: Sequence[str], rng: Random) -> str:
    """A passage from anywhere; every third is one sentence alone, as people type one."""
    start = rng.randrange(len(sentences))
    n = 1 if rng.random() < 1 / 3 else count(sentences, start)
    return " ".join(sentences[start : start + n])


def all_passages(sentences: Sequence[str]) -> list[str]:
    """The whole text as passages one after the other."""
    found, at = [], 0
    while at < len(sentences):
        n = count(sentences, at)
        found.append(" ".join(sentences[at : at + n]))
        at += n
    return found


def bert_words(tok: WordPiece) -> Encode:
    """A text to the ids of its words."""
    ids = cache(lambda word: [tok.vocab[piece] for piece in tok.pieces(word)])
    return lambda text: [ids(word) for word in split_words(text, tok.lower_case, tok.strip_accents)]


def t5_words(tok: Unigram) -> Encode:
    """A text to the ids of its words, with the punctuation on them."""
    ids = cache(tok.encode)
    return lambda text: [ids(word) for word in text.split()]


def bart_words(tok: Tokenizer) -> Encode:
    """A text to the ids of its pieces: words with the space before them, punctuation."""
    ids = cache(tok.encode)
    return lambda text: [ids(piece) for piece in split(text, tok.pattern)]


def train_bert_tokenizer(text: str) -> WordPiece:
    """Pieces of the most frequent words, so that each of these is a piece in the end, and of single letters."""
    counts = Counter(split_words(text))
    words = [word for word, n in counts.most_common(FREQUENT) for _ in range(n)]
    letters = (letter * 2 for letter in "abcdefghijklmnopqrstuvwxyz")
    return WordPiece(train_wordpiece([*words, *letters], 10**4))


def train_t5_tokenizer(text: str) -> Unigram:
    """Pieces of the words that come often, with their capitals and punctuation."""
    counts = Counter(text.split())
    often: Iterable[str] = (word for word, n in counts.items() if n >= 20 for _ in range(n))
    return as_t5(train_unigram(" ".join([*often, *sorted(set(text))]), 1000), SENTINELS)


def train_bart_tokenizer(text: str) -> Tokenizer:
    """GPT-2's byte-level byte pairs, with BART's special tokens: four first, <mask>, which takes the space before it,
    last; <s> before and </s> after every text."""
    ranks = train(text, 768, special_tokens=()).ranks
    special = {name: i for i, name in enumerate(BART_SPECIAL)} | {"<mask>": len(BART_SPECIAL) + len(ranks)}
    moved = {token: i + len(BART_SPECIAL) for token, i in ranks.items()}
    flags = {"<mask>": ("lstrip",)}
    return Tokenizer.of(Vocabulary(moved, special_tokens=special, before=(0,), after=(2,), flags=flags))
