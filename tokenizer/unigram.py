"""Unigram, T5's tokenizer: of all segmentations of a text into pieces of a vocabulary, the most probable (Kudo 2018,
arXiv 1804.10959, section 3.2; google/sentencepiece, src/unigram_model.cc)."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tokenizer.base import Names, TextTokenizer, string
from tokenizer.formats import unigram_json
from tokenizer.ids import Ids, look_up
from tokenizer.steps.added import parts
from tokenizer.unicode import WHITE, join_surrogates

SPACE = "▁"  # in a piece: the space before it
UNKNOWN = 10.0  # by how much an unknown character scores below the least probable piece


def best_pieces(text: str, scores: Mapping[str, float], unknown: float, longest: int) -> list[str]:
    """The pieces with the largest sum of scores, log-probabilities (Viterbi 1967): the best path to an end is the best
    path to a start before it plus one more piece. Any single character may be a piece, with the score `unknown`.

    >>> scores = {"hug": -2.0, "hu": -1.5, "gs": -1.0, "s": -0.8, "h": -3.0, "u": -3.0}
    >>> best_pieces("hugs", scores, unknown=-13.0, longest=3)  # hu gs -2.5, hug s -2.8
    ['hu', 'gs']
    """
    best = [0.0] + [-math.inf] * len(text)  # the score of the best path to each place
    came_from = [0] * (len(text) + 1)  # where its last piece starts
    for start in range(len(text)):
        for end in range(start + 1, min(start + longest, len(text)) + 1):
            score = scores.get(text[start:end], unknown if end == start + 1 else -math.inf)
            if best[start] + score > best[end]:
                best[end], came_from[end] = best[start] + score, start
    pieces, end = [], len(text)
    while end:
        pieces.append(text[came_from[end] : end])
        end = came_from[end]
    return pieces[::-1]


class Unigram(TextTokenizer):
    """`pieces` are texts with log-probabilities, in the order of their ids; `unk` is the id of all else, unless its
    bytes are used (`byte_fallback`). A text goes through the functions `normalize` and is split at white space if
    `split_white`; with `prefix`, words begin with ▁. For a model the ids `before` and `after` go `around` it.

    >>> tok = Unigram([("<unk>", 0.0), ("▁hug", -2.0), ("s", -1.5), ("▁hu", -2.5), ("gs", -2.5)])
    >>> tok.tokenize("hugs  hug"), tok.encode("hug x"), tok.decode([1, 2, 1])
    (['▁hug', 's', '▁hug'], [1, 0], 'hugs hug')
    """

    def __init__(
        self,
        pieces: Iterable[tuple[str, float]],
        unk: int = 0,
        special_tokens: Mapping[str, int] | None = None,
        normalize: Sequence[Callable[[str], str]] = (),
        split_white: bool = True,
        prefix: bool = True,
        byte_fallback: bool = False,
        around: tuple[Sequence[int], Sequence[int]] = ((), ()),
    ) -> None:
        self.pieces, self.unk, self.special_tokens = list(pieces), unk, dict(special_tokens or {})
        if not 0 <= unk < len(self.pieces) or not all(text and math.isfinite(score) for text, score in self.pieces):
            raise ValueError(f"unk is {unk} of {len(self.pieces)} pieces; it must be one, and all texts with a number")
        self.normalize, self.split_white, self.prefix = tuple(normalize), split_white, prefix
        self.byte_fallback, (self.before, self.after) = byte_fallback, around
        self.ids = {text: i for i, (text, _) in enumerate(self.pieces)}
        self.scores = {text: self.pieces[i][1] for text, i in self.ids.items() if text not in self.special_tokens}
        self.unknown, self.longest = min(s for _, s in self.pieces) - UNKNOWN, max(map(len, self.scores), default=1)
        self.tokens = {i: text for text, i in (self.ids | self.special_tokens).items()}
        self.n_vocab = max(self.tokens) + 1

    @classmethod
    def load(cls, folder: str | Path) -> "Unigram":
        """The tokenizer of a folder with tokenizer.json; a ValueError names what would be done differently here."""
        return cls(**unigram_json.read(Path(folder).expanduser()))

    def save(self, folder: str | Path) -> None:
        """Writes tokenizer.json, which `tokenizers` reads too; a ValueError if it has `normalize` functions."""
        unigram_json.save(Path(folder).expanduser(), {**vars(self), "around": (self.before, self.after)})

    def words(self, text: str) -> Iterator[str]:
        """The words of a text, normalized, with ▁ for every space and before the first."""
        for step in self.normalize:
            text = step(text)
        for word in re.split(f"[{WHITE}]+", text) if self.split_white else [text]:
            first = SPACE if self.prefix and word[:1] not in ("", " ", SPACE) else ""
            yield from re.findall(f"{SPACE}[^{SPACE}]*|[^{SPACE}]+", first + word.replace(" ", SPACE))

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text, special tokens taken as plain text; consecutive unknown characters form one piece."""
        found: list[str] = []
        for word in self.words(join_surrogates(string(text))):
            pieces = best_pieces(word, self.scores, self.unknown, self.longest)
            for unknown, group in groupby(pieces, lambda piece: self.ids.get(piece, self.unk) == self.unk):
                row = list(group)
                found += ["".join(row)] if unknown else row
        return found

    def encode(self, text: str, allow_special: Names = ()) -> list[int]:
        """The ids of a text; special tokens in it are plain text unless `allow_special` names them or is "all"."""
        allowed = self.special_tokens if allow_special == "all" else allow_special
        if isinstance(allowed, str) or not all(name in self.special_tokens for name in allowed):
            raise ValueError(f'allow_special={allow_special!r}: give "all" or some of {", ".join(self.special_tokens)}')
        ids: list[int] = []
        for part in parts(string(text), list(allowed), self.special_tokens, {}, None, ()):
            ids += [part] if isinstance(part, int) else [i for piece in self.tokenize(part) for i in self.ids_of(piece)]
        return ids

    def ids_of(self, piece: str) -> list[int]:
        """A piece's id; for any other text the ids of its bytes (`byte_fallback`), or `unk`."""
        own = [self.ids.get(f"<0x{byte:02X}>", -1) for byte in piece.encode()] if self.byte_fallback else [-1]
        return [self.ids[piece]] if piece in self.ids else [self.unk] if -1 in own else own

    def decode(self, ids: Ids) -> str:
        """The text of the ids, special tokens included; no space comes before the first word."""
        pieces = look_up(ids, self.tokens, self.n_vocab)
        pieces = unigram_json.join_bytes(pieces) if self.byte_fallback else pieces
        return "".join(pieces[:1]).replace(SPACE, "" if self.prefix else " ") + "".join(pieces[1:]).replace(SPACE, " ")
