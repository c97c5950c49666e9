"""WordPiece, BERT's tokenizer: splits words from left to right into the longest pieces of a vocabulary.

Source: google-research/bert, tokenization.py; Devlin et al. 2019, section 3; Wu et al. 2016, section 4.1.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenizer.base import Names, TextTokenizer, string
from tokenizer.formats import wordpiece_files
from tokenizer.ids import Ids, look_up
from tokenizer.steps.added import parts
from tokenizer.steps.unicode8 import CHINESE, MARKS, PUNCTUATION, REMOVED, one_of
from tokenizer.steps.unicode16 import lower, normal_form
from tokenizer.unicode import join_surrogates

FIVE = UNK, CLS, SEP, PAD, MASK = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
PREFIX = "##"  # of a piece that continues a word
LONGEST = 100  # characters of a word; a longer one is [UNK]
TIGHT = (" .", " ?", " !", " ,", " n't", " 'm", " 's", " 've", " 're")  # decoded without the space
REMOVE, SPACED, ACCENT, ISOLATED = one_of(REMOVED), one_of(CHINESE), one_of(MARKS), one_of(PUNCTUATION)


def split_words(text: str, lower_case: bool = True, strip_accents: bool = True) -> list[str]:
    """BERT's basic tokenization: words between white space; punctuation marks and Chinese characters are words too.

    >>> split_words("Où est-il?"), split_words("Où 東京", lower_case=False, strip_accents=False)
    (['ou', 'est', '-', 'il', '?'], ['Où', '東', '京'])
    """
    text = REMOVE.sub("", join_surrogates(text))  # control characters
    text = SPACED.sub(r" \g<0> ", text)
    if strip_accents:
        text = ACCENT.sub("", normal_form("NFD", text))  # é is e and its accent in this form
    if lower_case:
        text = lower(text)
    return ISOLATED.sub(r" \g<0> ", text).split()


class WordPiece(TextTokenizer):
    """`vocab` gives every piece its id; one that begins with ## continues a word. `special_tokens` are kept apart.

    >>> tok = WordPiece({"[UNK]": 0, "un": 1, "##aff": 2, "##able": 3, "!": 4})
    >>> tok.tokenize("Unaffable!"), tok.encode("unable able"), tok.decode([1, 3, 4])
    (['un', '##aff', '##able', '!'], [1, 3, 0], 'unable!')
    """

    def __init__(
        self,
        vocab: Mapping[str, int],
        lower_case: bool = True,
        strip_accents: bool | None = None,  # None: as lower_case
        special_tokens: Mapping[str, int] | None = None,  # None: those of BERT's five that are in the vocabulary
    ) -> None:
        self.vocab, self.lower_case = dict(vocab), lower_case
        self.strip_accents = lower_case if strip_accents is None else strip_accents
        self.special_tokens = dict(special_tokens or {name: vocab[name] for name in FIVE if name in vocab})
        self.tokens = {i: token for token, i in (self.special_tokens | self.vocab).items()}
        if UNK not in self.vocab or len(self.tokens) < len(self.special_tokens | self.vocab):
            raise ValueError(f"a WordPiece vocabulary needs {UNK}, and an id of its own for every piece")
        self.n_vocab = max(self.tokens) + 1

    @classmethod
    def load(cls, folder: str | Path) -> "WordPiece":
        """The tokenizer of a folder with tokenizer.json or vocab.txt; truncating long texts is left to the caller.
        Raises a ValueError that names what would be done differently here."""
        return cls(**wordpiece_files.read(Path(folder).expanduser()))

    def save(self, folder: str | Path) -> None:
        """Writes vocab.txt and tokenizer_config.json, which transformers reads too."""
        wordpiece_files.save(Path(folder), self.tokens, self.lower_case, self.strip_accents)

    def pieces(self, word: str) -> list[str]:
        """A word's pieces, always the longest that fits (greedy longest match first); [UNK] if none does."""
        found: list[str] = []
        start = 0
        while start < len(word) <= LONGEST:
            for end in range(len(word), start, -1):
                piece = (PREFIX if start else "") + word[start:end]
                if piece in self.vocab:
                    break
            else:
                return [UNK]
            found.append(piece)
            start = end
        return found or [UNK]

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text; special tokens in it are plain text."""
        return [p for word in split_words(string(text), self.lower_case, self.strip_accents) for p in self.pieces(word)]

    def encode(self, text: str, allow_special: Names = ()) -> list[int]:
        """The ids of a text; special tokens in it are plain text unless `allow_special` names them or is "all"."""
        allowed = self.special_tokens if allow_special == "all" else allow_special
        if isinstance(allowed, str) or not all(name in self.special_tokens for name in allowed):
            raise ValueError(f'allow_special={allow_special!r}: give "all" or some of {", ".join(self.special_tokens)}')
        ids: list[int] = []
        for part in parts(string(text), list(allowed), self.special_tokens, {}, None, ()):
            ids += [part] if isinstance(part, int) else [self.vocab[piece] for piece in self.tokenize(part)]
        return ids

    def wrap(self, ids: Iterable[int], other: Iterable[int] | None = None) -> tuple[list[int], list[int]]:
        """One text or two as the model gets them, [CLS] ids [SEP] other [SEP], and for each id its segment, 0 or 1.

        >>> WordPiece({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3}).wrap([3, 3], [3])
        ([1, 3, 3, 2, 3, 2], [0, 0, 0, 0, 1, 1])
        """
        first = [self.special_tokens[CLS], *ids, self.special_tokens[SEP]]
        second = [] if other is None else [*other, self.special_tokens[SEP]]
        return first + second, [0] * len(first) + [1] * len(second)

    def decode(self, ids: Ids) -> str:
        """The pieces joined into words with one space between them, none before . ? ! , and endings such as 's."""
        text = ""
        for i, token in enumerate(look_up(ids, self.tokens, self.n_vocab)):
            piece = token if i == 0 else token[2:] if token.startswith(PREFIX) else f" {token}"
            for tight in TIGHT:
                piece = piece.replace(tight, tight[1:])
            text += piece
        return text
