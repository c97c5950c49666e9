"""Vocabularies on disk: GPT-2's vocab.json with merges.txt, and the tokenizer.json of Hugging Face.

Both write bytes as printable characters: byte i of GPT-2's order has the character CHARS[i].
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizer.bpe import BYTES, PRINTABLE, Tokenizer
from tokenizer.merging import merge
from tokenizer.splitting import GPT2_PATTERN

CHARS = "".join(chr(b) if i < len(PRINTABLE) else chr(256 + i - len(PRINTABLE)) for i, b in enumerate(BYTES))
TO_CHARS = {chr(b): c for b, c in zip(BYTES, CHARS, strict=True)}
TO_BYTES = {ord(c): b for b, c in zip(BYTES, CHARS, strict=True)}
ESCAPE = str.maketrans(TO_CHARS)


def printable(token: bytes) -> str:
    """A token in GPT-2's printable characters.

    >>> printable(b" the\\n")
    'ĠtheĊ'
    """
    return token.decode("latin-1").translate(ESCAPE)


def unprintable(token: str) -> bytes:
    """The bytes of a token written by `printable`; a KeyError where a character stands for no byte.

    >>> unprintable("ĠtheĊ")
    b' the\\n'
    """
    return bytes([TO_BYTES[ord(c)] for c in token])


class Below:
    """The ranks below a limit, for `merge`: how a token looked before its own merge."""

    def __init__(self, ranks: Mapping[bytes, int], limit: int) -> None:
        self.ranks, self.limit = ranks, limit

    def get(self, token: bytes) -> int | None:
        """The rank of a token, or None where it is not below the limit."""
        rank = self.ranks.get(token)
        return rank if rank is not None and rank < self.limit else None


def merges_of(ranks: Mapping[bytes, int]) -> list[tuple[bytes, bytes]]:
    """The merges of a vocabulary, in order: for each token the two whose merge gave it.

    >>> merges_of({b"a": 0, b"n": 1, b"an": 2, b"ana": 3})
    [(b'a', b'n'), (b'an', b'a')]
    """
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            parts = merge(token, Below(ranks, rank))
            if len(parts) != 2:
                raise ValueError(f"token {token!r} is not the merge of two others: these ranks have no merges.txt")
            merges.append((parts[0], parts[1]))
    return merges


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes vocab.json, merges.txt and tokenizer.json, each beside its final name first."""
    merges = [(printable(a), printable(b)) for a, b in merges_of(tokenizer.ranks)]
    plain = {printable(token): i for token, i in tokenizer.ranks.items()}
    vocab = dict(sorted({**plain, **tokenizer.special_tokens}.items(), key=lambda item: item[1]))
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "vocab.json", json.dumps(vocab, ensure_ascii=False))
    write(folder / "merges.txt", "\n".join(lines) + "\n")
    write(folder / "tokenizer.json", json.dumps(document(tokenizer, plain, merges), ensure_ascii=False, indent=1))


def write(path: Path, text: str) -> None:
    """Writes a file beside its name and renames it, so that the old one stays whole until the new one is."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="\n")
    os.replace(part, path)


def document(tokenizer: Tokenizer, plain: dict[str, int], merges: list[tuple[str, str]]) -> dict[str, Any]:
    """What tokenizer.json holds."""
    bytelevel = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": tokenizer.pattern}, "behavior": "Isolated", "invert": False}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": name, **flags} for name, i in tokenizer.special_tokens.items()],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytelevel]},
        "post_processor": None,
        "decoder": bytelevel | {"use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": plain,
            "merges": [list(pair) for pair in merges],
        },
    }


def load(folder: Path) -> Tokenizer:
    """The tokenizer of a folder with tokenizer.json, or with vocab.json and merges.txt (then GPT-2's pattern)."""
    if (folder / "tokenizer.json").exists():
        return load_json(folder / "tokenizer.json")
    vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")
    merged = {a + b for a, b in (line.split(" ") for line in lines if line and not line.startswith("#version"))}
    special = {token: i for token, i in vocab.items() if len(token) > 1 and token not in merged}
    return Tokenizer({unprintable(t): i for t, i in vocab.items() if t not in special}, GPT2_PATTERN, special)


def load_json(path: Path) -> Tokenizer:
    """The tokenizer of a tokenizer.json file."""
    data = json.loads(path.read_text(encoding="utf-8"))
    special = {token["content"]: token["id"] for token in data["added_tokens"]}
    pattern = data["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    ranks = {unprintable(t): i for t, i in data["model"]["vocab"].items() if t not in special}
    return Tokenizer(ranks, pattern, special)
