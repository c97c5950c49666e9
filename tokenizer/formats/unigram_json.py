"""A Unigram vocabulary in the tokenizer.json of Hugging Face's `tokenizers`: what is read here, or refused by name."""

import json
import re
from collections.abc import Callable
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from tokenizer.fetch.atomic import exclusive, finish_writing, replacing_files, write_text
from tokenizer.formats.pipeline import read_normalizer, refuse, steps
from tokenizer.formats.template import read_template, write_template
from tokenizer.formats.text import expect, read_json
from tokenizer.formats.tokenizer_json import PLAIN, by_id, read_added
from tokenizer.steps.charsmap import Charsmap
from tokenizer.steps.normalizing import normalize

Json = dict[str, Any]
SAVE = "load it once with transformers' AutoTokenizer and save_pretrained it"


def read(folder: Path) -> Json:
    """The arguments of a `Unigram`, from a folder or a tokenizer.json; a ValueError if it is of another kind."""
    finish_writing(folder)
    path = folder / "tokenizer.json" if folder.is_dir() else folder
    if not path.exists():
        alone = (folder / "spiece.model").exists()
        way_out = f"spiece.model alone is not read here: {SAVE}" if alone else "give a folder with tokenizer.json"
        raise ValueError(f"{folder} holds no tokenizer.json: {way_out}")
    return from_json(read_json(path), str(path))


def from_json(data: Json, name: str) -> Json:
    """The same from the contents of a tokenizer.json; `name` is for the ValueErrors.

    >>> from_json({"model": {"type": "BPE"}}, "tokenizer.json")
    Traceback (most recent call last):
    ValueError: tokenizer.json: the model is BPE, which this tokenizer cannot represent exactly
    """
    model = expect(name, "the model", data.get("model"), dict)
    if model.get("type", "Unigram" if "unk_id" in model else None) != "Unigram":
        raise refuse(name, "the model", model.get("type"))
    padding = expect(name, "padding", data.get("padding") or {}, dict)
    batched = padding.get("strategy") == "BatchLongest" and not padding.get("pad_to_multiple_of")  # one text gets none
    for key in ("truncation",) if batched else ("truncation", "padding"):
        if data.get(key) is not None:
            raise ValueError(f'{name}: {key} is {data[key]!s:.80}: write "{key}": null to encode without it')
    special, flags = read_added(data.get("added_tokens") or [], name)
    odd = [token for token, own in flags.items() if set(own) - {"ordinary"}]
    if odd:
        raise refuse(name, f"the added token {odd[0]!r:.80}", f"one with {', '.join(flags[odd[0]])}")
    split_white, prefix = read_words(data.get("pre_tokenizer"), name)
    byte_fallback = bool(model.get("byte_fallback"))
    *bytes_first, last = steps(data.get("decoder"), "the decoder", "decoders", name) or [{}]
    wanted = [{"type": "ByteFallback"}] if byte_fallback else []
    if bytes_first != wanted or read_metaspace(last, name) != prefix:
        raise refuse(name, "the decoder", data.get("decoder"))
    return {
        "pieces": read_pieces(model.get("vocab"), name),
        "unk": expect(name, "the model's unk_id", model.get("unk_id"), int),
        "special_tokens": special,
        "normalize": read_normalizers(data.get("normalizer"), name),
        "split_white": split_white,
        "prefix": prefix,
        "byte_fallback": byte_fallback,
        "around": read_template(data.get("post_processor"), name),
    }


def save(folder: Path, fields: Json) -> None:
    """Writes a tokenizer.json of what a `Unigram` was made from, which `tokenizers` reads too."""
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder), replacing_files(folder) as part:
        write_text(part / "tokenizer.json", json.dumps(to_json(fields), ensure_ascii=False, indent=1))


def to_json(fields: Json) -> Json:
    """What tokenizer.json holds for the fields that `from_json` returns.

    >>> fields = {"pieces": [("<unk>", 0.0), ("▁a", -1.0)], "unk": 0, "special_tokens": {"</s>": 2}, "normalize": []}
    >>> fields |= {"split_white": True, "prefix": True, "byte_fallback": False, "around": ((), (2,))}
    >>> from_json(to_json(fields), "x") == fields
    True
    """
    if fields["normalize"]:
        raise ValueError("a Unigram that normalizes cannot be saved: keep the tokenizer.json that it came from")
    scheme = "always" if fields["prefix"] else "never"
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": True}
    special = {i: text.encode() for text, i in fields["special_tokens"].items()}
    names = {i: text.encode() for i, (text, _) in enumerate(fields["pieces"])} | special
    before, after = map(tuple, fields["around"])
    white = [{"type": "WhitespaceSplit"}] if fields["split_white"] else []
    byte = [{"type": "ByteFallback"}] if fields["byte_fallback"] else []
    vocab = [[text, score] for text, score in fields["pieces"]]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": name, **PLAIN} for name, i in by_id(fields["special_tokens"])],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*white, metaspace]},
        "post_processor": write_template(before, after, names),
        "decoder": {"type": "Sequence", "decoders": [*byte, metaspace]} if byte else metaspace,
        "model": {"type": "Unigram", "unk_id": fields["unk"], "vocab": vocab, "byte_fallback": fields["byte_fallback"]},
    }


def read_pieces(vocab: Any, name: str) -> list[tuple[str, float]]:
    """The pieces with their scores, in the order of their ids.

    >>> read_pieces([["a", -1.5], ["b", -2]], "x")
    [('a', -1.5), ('b', -2.0)]
    """
    pairs = expect(name, "the model's vocab", vocab, list)
    for pair in pairs:
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or type(pair[0]) is not str
            or type(pair[1]) not in (int, float)
        ):
            raise ValueError(f"{name}: the piece {pair!r:.80} is not a text with a number: save the tokenizer anew")
    return [(text, float(score)) for text, score in pairs]


def read_normalizers(part: Any, name: str) -> list[Callable[[str], str]]:
    """The steps of the normalizer, in order; sentencepiece's own is the one called Precompiled."""
    return [
        Charsmap(expect(name, "precompiled_charsmap", step.get("precompiled_charsmap"), str)).normalize
        if step.get("type") == "Precompiled"
        else partial(normalize, normalizer=read_normalizer(step, name))
        for step in steps(part, "the normalizer", "normalizers", name)
    ]


def read_words(part: Any, name: str) -> tuple[bool, bool]:
    """Whether a text is split at white space, and whether ▁ is put before each word.

    >>> read_words({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}, "x")
    (False, True)
    """
    *before, last = steps(part, "the pre_tokenizer", "pretokenizers", name) or [{}]
    if [step.get("type") for step in before] not in ([], ["WhitespaceSplit"]):
        raise refuse(name, "the pre_tokenizer", part)
    return bool(before), read_metaspace(last, name)


def read_metaspace(part: Any, name: str) -> bool:
    """Whether a Metaspace step puts ▁ first; older files say so with add_prefix_space.

    >>> read_metaspace({"type": "Metaspace", "replacement": "▁", "add_prefix_space": False}, "x")
    False
    """
    kinds = {"always": True, "never": False, True: True, False: False}
    scheme = (part or {}).get("prepend_scheme", (part or {}).get("add_prefix_space", True))
    right = (part or {}).get("type") == "Metaspace" and part.get("replacement") == "▁" and scheme in kinds
    if not right or part.get("split", True) is not True:
        raise refuse(name, "the pre_tokenizer or decoder", part)
    return kinds[scheme]


def join_bytes(pieces: list[str]) -> list[str]:
    """The pieces, with consecutive ones that name bytes replaced by the text of these bytes, or U+FFFD for each.

    >>> join_bytes(["a", "<0xC3>", "<0xA9>", "b", "<0xC3>"])
    ['a', 'é', 'b', '\ufffd']
    """
    found: list[str] = []
    for named, group in groupby(pieces, lambda piece: re.fullmatch("<0x[0-9A-Fa-f]{2}>", piece) is not None):
        row = list(group)
        try:
            found += [bytes(int(piece[3:5], 16) for piece in row).decode()] if named else row
        except UnicodeDecodeError:
            found += ["\ufffd"] * len(row)
    return found
