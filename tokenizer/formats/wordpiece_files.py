"""BERT's vocabulary files: vocab.txt, one piece per line, or the tokenizer.json of `tokenizers`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizer.fetch.atomic import exclusive, finish_writing, replacing_files, write_text
from tokenizer.formats.text import boolean, expect, read_json, read_text
from tokenizer.formats.tokenizer_json import read_added

Json = dict[str, Any]

NAMES = {f"{role}_token": f"[{role.upper()}]" for role in ("unk", "cls", "sep", "pad", "mask")}
CLS, SEP = ({"SpecialToken": {"id": name, "type_id": 0}} for name in ("[CLS]", "[SEP]"))
TEMPLATE = {
    "single": [CLS, {"Sequence": {"id": "A", "type_id": 0}}, SEP],
    "pair": [
        *(CLS, {"Sequence": {"id": "A", "type_id": 0}}, SEP),
        *({"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}),
    ],
}
EXPECTED: dict[str, Json] = {  # the parts of tokenizer.json that are done here in one way only
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
    },
    "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
}


def read(folder: Path) -> Json:
    """The arguments of a `WordPiece`, from a folder; a ValueError if it holds none, or another kind."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder: give one with tokenizer.json or vocab.txt")
    finish_writing(folder)
    path = folder / "tokenizer_config.json"
    config = read_json(path) if path.exists() else {}
    for key, name in NAMES.items():
        given = config.get(key)
        given = given.get("content") if isinstance(given, dict) else given
        if given not in (name, None):
            raise refuse(path, key, given, name)
    if config.get("tokenize_chinese_chars") not in (True, None):
        raise refuse(path, "tokenize_chinese_chars", config["tokenize_chinese_chars"], True)
    said = {name: boolean(config, name, str(path)) for name in ("do_lower_case", "strip_accents")}
    if (folder / "tokenizer.json").exists():
        return from_json(read_json(folder / "tokenizer.json"), folder / "tokenizer.json", said)
    if not (folder / "vocab.txt").exists():
        raise ValueError(f"{folder} holds no vocabulary of BERT's: tokenizer.json or vocab.txt is needed")
    added = [token.get("content") for token in (config.get("added_tokens_decoder") or {}).values()]
    if (folder / "added_tokens.json").exists() or not set(added) <= set(NAMES.values()):
        raise ValueError(f"{folder} adds tokens to vocab.txt: save the tokenizer with transformers, as tokenizer.json")
    lower_case = said["do_lower_case"] is not False
    return {
        "vocab": read_vocab(folder / "vocab.txt"),
        "lower_case": lower_case,
        "strip_accents": said["strip_accents"],
    }


def read_vocab(path: Path) -> dict[str, int]:
    """The pieces of a vocab.txt: the id of each is its line number, from 0; a ValueError for one that occurs
    twice."""
    lines = read_text(path).replace("\r\n", "\n").removesuffix("\n").split("\n")
    vocab = {piece: i for i, piece in enumerate(lines)}
    if len(vocab) < len(lines):
        twice = next(piece for i, piece in enumerate(lines) if vocab[piece] != i)
        raise ValueError(f"{path}: {twice!r:.60} is there twice, so it has two ids: leave one")
    return vocab


def from_json(data: Json, path: Path, said: Mapping[str, bool | None]) -> Json:
    """The same from a tokenizer.json, which tokenizer_config.json must not contradict."""
    for name, wanted in EXPECTED.items():
        part = expect(str(path), f"the {name}", data.get(name), dict)
        for key, value in wanted.items():
            if part.get(key, value) != value:
                raise refuse(path, f"the {name}'s {key}", part[key], value)
    after = data.get("post_processor") or TEMPLATE
    if after.get("type") == "BertProcessing":
        after = {"single": TEMPLATE["single"], "pair": TEMPLATE["pair"]}
    if any(after.get(key) != value for key, value in TEMPLATE.items()):
        raise refuse(path, "the post_processor", data["post_processor"], "[CLS] A [SEP] B [SEP]")
    normalizer = data["normalizer"]
    lower_case = boolean(normalizer, "lowercase", str(path)) is not False
    strip_accents = boolean(normalizer, "strip_accents", str(path))
    for name, value in (("do_lower_case", lower_case), ("strip_accents", strip_accents)):
        if said[name] not in (value, None):
            raise ValueError(
                f"{path}: {name} is {value}, but {said[name]} in tokenizer_config.json: make them the same"
            )
    special, flags = read_added(data.get("added_tokens") or [], str(path))
    for name, own in flags.items():
        for key in own:
            raise refuse(path, f"the added token {name!r:.60}", key, "a special one without flags")
    vocab = expect(str(path), "the model's vocab", data["model"].get("vocab"), dict)
    for piece, i in vocab.items():
        expect(str(path), f"the id of {piece!r:.60}", i, int)
    return {"vocab": vocab, "lower_case": lower_case, "strip_accents": strip_accents, "special_tokens": special}


def refuse(path: Path, what: str, found: object, known: object) -> ValueError:
    """The error for what would be done differently here."""
    return ValueError(f"{path}: {what} is {found!r:.120}; only {known!r} is implemented here")


def save(folder: Path, tokens: Mapping[int, str], lower_case: bool, strip_accents: bool) -> None:
    """Writes vocab.txt and tokenizer_config.json; a ValueError if an id has no piece, or a piece has a line end."""
    lines = [tokens.get(i, "") for i in range(max(tokens) + 1)]
    if "" in lines or any("\n" in line or "\r" in line for line in lines):
        raise ValueError("vocab.txt has a piece a line, from id 0 on: this vocabulary has gaps, or pieces of two lines")
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": lower_case, "strip_accents": strip_accents, **NAMES}
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder), replacing_files(folder) as part:
        write_text(part / "vocab.txt", "\n".join(lines) + "\n")
        write_text(part / "tokenizer_config.json", json.dumps(config, indent=2) + "\n")
