"""The first two steps of the lessons: a tokenizer of whole words, and one of single characters (lesson 01).

What they lack, byte-pair encoding provides: the first knows only words it has seen, the second needs five
ids for "Hello", and neither reproduces every text exactly.
"""

from collections.abc import Iterable, Iterator, Mapping
from string import ascii_letters

from tokenizer.base import TextTokenizer, string
from tokenizer.ids import Ids, look_up
from tokenizer.streaming import strings

PAD, UNK = "[PAD]", "[UNK]"


class WordTokenizer(TextTokenizer):
    """Words between white space, in lower case; the vocabulary is [PAD], [UNK] and the corpus's words, sorted.

    >>> words = WordTokenizer(["The quick brown fox", "the lazy dog"])
    >>> words.encode("The brown unicorn"), words.decode([7, 2, 1])
    ([7, 2, 1], 'the brown [UNK]')
    """

    def __init__(self, corpus: Iterable[str]) -> None:
        if isinstance(corpus, (str, bytes, Mapping)) or not isinstance(corpus, Iterable):
            corpus = [string(corpus)]
        self.vocab = [PAD, UNK, *sorted({word for text in corpus for word in string(text).lower().split()})]
        self.ids = {word: i for i, word in enumerate(self.vocab)}
        self.n_vocab = len(self.vocab)

    def encode(self, text: str) -> list[int]:
        """One id per word; 1, [UNK], for a word that is not in the vocabulary.

        >>> WordTokenizer(["a b"]).encode("B c")
        [3, 1]
        """
        return [self.ids.get(word, self.ids[UNK]) for word in string(text).lower().split()]

    def encode_iterable(self, chunks: Iterable[str]) -> Iterator[int]:
        """The ids of the chunks as one text, wherever it is split.

        >>> list(WordTokenizer(["a bc"]).encode_iterable(["a b", "c"]))
        [2, 3]
        """
        held: list[str] = []
        for chunk in strings(chunks):
            end = max((i for i, char in enumerate(chunk, start=1) if char.isspace()), default=0)
            if end:
                yield from self.encode("".join([*held, chunk[:end]]))
                held.clear()
            held.append(chunk[end:])
        yield from self.encode("".join(held))

    def decode(self, ids: Ids) -> str:
        """The words with one space between them, without [PAD]; a ValueError names a bad id.

        >>> WordTokenizer(["a b"]).decode([3, 1, 0])
        'b [UNK]'
        """
        words = look_up(ids, dict(enumerate(self.vocab)), self.n_vocab)
        return " ".join(word for word in words if word != PAD)


class CharTokenizer(TextTokenizer):
    """Single characters: [PAD], [UNK], then the alphabet, by default a to z and A to Z.

    >>> chars = CharTokenizer()
    >>> chars.n_vocab, chars.encode("Hello"), chars.decode([35, 6, 13, 13, 16])
    (54, [35, 6, 13, 13, 16], 'Hello')
    """

    def __init__(self, alphabet: str = ascii_letters) -> None:
        self.vocab = [PAD, UNK, *dict.fromkeys(string(alphabet))]
        self.ids = {char: i for i, char in enumerate(self.vocab)}
        self.n_vocab = len(self.vocab)

    def encode(self, text: str) -> list[int]:
        """One id per character; 1, [UNK], for a character outside the alphabet.

        >>> CharTokenizer().encode("a b")
        [2, 1, 3]
        """
        return [self.ids.get(char, self.ids[UNK]) for char in string(text)]

    def encode_iterable(self, chunks: Iterable[str]) -> Iterator[int]:
        """The ids of the chunks as one text.

        >>> list(CharTokenizer().encode_iterable(["a", "b"]))
        [2, 3]
        """
        for chunk in strings(chunks):
            yield from self.encode(chunk)

    def decode(self, ids: Ids) -> str:
        """The characters, without [PAD]; a ValueError names a bad id.

        >>> CharTokenizer().decode([2, 1, 3, 0])
        'a[UNK]b'
        """
        chars = look_up(ids, dict(enumerate(self.vocab)), self.n_vocab)
        return "".join(char for char in chars if char != PAD)
