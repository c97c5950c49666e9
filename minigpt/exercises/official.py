"""GPT-2's vocabulary and cl100k_base in the lessons: whole if they are on this machine, else what the lessons need.

Byte-pair encoding joins neighbours, so only the tokens that occur inside a piece of text can matter for it. A few
hundred of GPT-2's 50,257 tokens give the lessons' texts the same ids as all of them; official.json has those.

    python -m minigpt.exercises.official     writes official.json anew, for the texts in it; needs both vocabularies
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tokenizer import Tokenizer
from tokenizer.fetch.atomic import write_text
from tokenizer.fetch.official import VOCABULARIES
from tokenizer.fetch.verify import cache_dir, right
from tokenizer.formats.byte_alphabet import bytes_to_unicode, unicode_to_bytes
from tokenizer.patterns import CL100K_PATTERN, GPT2_PATTERN, any_of
from tokenizer.splitting import split

FILE = Path(__file__).with_name("official.json")
PATTERNS = {"gpt2": GPT2_PATTERN, "cl100k_base": CL100K_PATTERN}


class Excerpt(Tokenizer):
    """The part of a vocabulary that a few pieces of text need; a ValueError for any other piece."""

    name = ""
    pieces: Collection[str] = ()

    def _parts(self, text: str, names: Collection[str] = ()) -> list[str | int]:
        parts = super()._parts(text, names)
        pieces = [piece for part in parts if isinstance(part, str) for piece in split(part, self.pattern)]
        for piece in pieces:
            if piece not in self.pieces:
                whole = (
                    f"Tokenizer.load({self.name!r}) from tokenizer fetches it, then run this lesson's first cell again"
                )
                raise ValueError(f"{piece!r} is in none of the lessons' texts: the whole vocabulary is needed; {whole}")
        return parts


def official(name: str) -> Tokenizer:
    """The vocabulary "gpt2" or "cl100k_base", whole if it is on this machine, else the excerpt. Uses no network.

    >>> official("gpt2").encode("Unbelievable tokenization powers! 🚀")
    [3118, 6667, 11203, 540, 11241, 1634, 5635, 0, 12520, 248, 222]
    """
    folder = cache_dir() / "vocabularies" / name
    if all(right(folder / source.name, source.sha256) for source in VOCABULARIES[name]):
        return Tokenizer.load(name)
    return excerpt(name, json.loads(FILE.read_text("utf-8")))


def excerpt(name: str, stored: Mapping[str, Any]) -> Excerpt:
    """The excerpt of a vocabulary, from what official.json holds."""
    ranks = {unicode_to_bytes(token): id for token, id in stored[name]["ranks"].items()}
    tok = Excerpt(ranks, PATTERNS[name], stored[name]["special"], plain=True)
    tok.name, tok.pieces = name, pieces_of(stored["texts"], tok)
    return tok


def pieces_of(texts: Collection[str], tok: Tokenizer) -> set[str]:
    """The pieces into which some texts are cut, with special tokens as plain text, and where these are allowed."""
    special = any_of(tok.special_tokens)
    parts = [part for text in texts for part in (text, *special.split(text))]
    return {piece for part in parts for piece in split(part, tok.pattern)}


def cut_down(tok: Tokenizer, texts: Collection[str]) -> dict[str, Any]:
    """What official.json holds of a vocabulary: its single bytes, and the tokens inside the pieces of the texts."""
    pieces = {piece.encode() for piece in pieces_of(texts, tok)}
    inside = {data[i:j] for data in pieces for i in range(len(data)) for j in range(i + 1, len(data) + 1)}
    ranks = {token: id for token, id in tok.ranks.items() if len(token) == 1 or token in inside}
    return {"special": dict(tok.special_tokens), "ranks": {bytes_to_unicode(token): id for token, id in ranks.items()}}


def main() -> None:
    """Writes official.json anew."""
    texts = json.loads(FILE.read_text("utf-8"))["texts"]
    stored = {"texts": texts} | {name: cut_down(Tokenizer.load(name), texts) for name in VOCABULARIES}
    write_text(FILE, json.dumps(stored, ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    main()
