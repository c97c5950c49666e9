"""The vocabulary inside a GGUF file, read from its header: the weights after it are never touched.

What the keys mean: `docs/gguf.md` of the ggml project, and llama.cpp's own reader, src/llama-vocab.cpp.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizer.formats.gguf_header import read_header
from tokenizer.formats.gguf_patterns import GPT2, PRE_TOKENIZERS, STARTS_WITH_BOS, WHOLE_PIECES
from tokenizer.formats.regular import check_regular
from tokenizer.formats.template import write_template
from tokenizer.formats.tokenizer_json import from_json
from tokenizer.vocabulary import Vocabulary

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED = range(1, 6)  # kinds of tokens; 6 is for SentencePiece's bytes
NONE = (1 << 32) - 1  # -1 as an unsigned number: how some files say that there is no such token
CHANGES_IDS = (  # what would change a text before it is split, or add to its ids
    *("add_space_prefix", "remove_extra_whitespaces", "add_sep_token", "precompiled_charsmap"),
    *("normalizer.lowercase", "normalizer.strip_accents"),
)


def read(path: Path) -> Vocabulary:
    """The vocabulary in a GGUF file; a ValueError if it is not byte-pair encoding or has an unknown pattern.

    >>> import os
    >>> read(Path(os.devnull))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: ...null is a device, expected a file: put the file itself there
    """
    with check_regular(path).open("rb") as file:
        data, _ = read_header(file, path)
    try:
        described = as_tokenizer_json(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    found = from_json(described, str(path))
    for token in found.special_tokens.keys() - {token["content"] for token in described["added_tokens"]}:
        raise ValueError(f"{path}: token {token!r:.80} comes from no merge: the merges are incomplete; export it anew")
    return found


def as_tokenizer_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """The tokenizer.json that is equivalent to a header's values; a ValueError if they are not byte-pair encoding."""
    if data.get("tokenizer.ggml.model") != "gpt2":
        raise ValueError(f"the tokenizer is {data.get('tokenizer.ggml.model')!r:.80}, not byte-pair encoding")
    pre = data.get("tokenizer.ggml.pre")
    if not isinstance(pre, str) or pre not in PRE_TOKENIZERS:
        raise ValueError(f"the pattern is {pre!r:.80} (tokenizer.ggml.pre), known are {', '.join(PRE_TOKENIZERS)}")
    for key in CHANGES_IDS:
        if data.get(f"tokenizer.ggml.{key}"):
            value = data[f"tokenizer.ggml.{key}"]
            raise ValueError(f"tokenizer.ggml.{key} is {value!r:.60}, which this tokenizer cannot represent exactly")
    tokens, kinds = texts(data, "tokens"), data.get("tokenizer.ggml.token_type")
    if not isinstance(kinds, list) or len(kinds) != len(tokens):
        what = f"tokenizer.ggml.token_type is {kinds!r:.60}, not a list of {len(tokens)} numbers"
        raise ValueError(f"{what}: export the file anew")
    for token, n in Counter(tokens).most_common(1):
        if n > 1:
            raise ValueError(f"tokenizer.ggml.tokens has {token!r:.80} {n} times: export the file anew")
    for i, kind in enumerate(kinds):
        if kind not in (NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED):
            raise ValueError(f"tokenizer.ggml.token_type of {tokens[i]!r:.80} is {kind!r:.80}, not one of 1 to 5")
    before, after = around(data)
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = [i for i, kind in enumerate(kinds) if kind in (UNKNOWN, CONTROL, USER_DEFINED)]
    return {
        "added_tokens": [{"id": i, "content": tokens[i], **plain} for i in added],
        "normalizer": {"type": "NFC"} if pre == "qwen2" or data.get("tokenizer.ggml.normalizer.nfc") is True else None,
        "pre_tokenizer": PRE_TOKENIZERS[pre],
        "post_processor": write_template(before, after, {i: tokens[i].encode() for i in (*before, *after)}),
        "decoder": GPT2,
        "model": {
            "type": "BPE",
            "ignore_merges": pre in WHOLE_PIECES,
            "vocab": {token: i for i, token in enumerate(tokens) if kinds[i] == NORMAL},
            "merges": texts(data, "merges"),
        },
    }


def around(data: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that the file puts before and after a text: add_bos_token and add_eos_token.

    >>> around({"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.bos_token_id": 7})
    ((7,), ())
    """
    found = []
    for role, default in (("bos", data.get("tokenizer.ggml.pre") in STARTS_WITH_BOS), ("eos", False)):
        key, id = f"tokenizer.ggml.add_{role}_token", token_id(data, role)
        add = data.get(key, default and id is not None)
        if not isinstance(add, bool):
            raise ValueError(f"{key} should be true or false, not {add!r:.60}")
        if add and id is None:
            raise ValueError(f"{key} is true, but there is no tokenizer.ggml.{role}_token_id: export the file anew")
        found.append((id,) if add and id is not None else ())
    return found[0], found[1]


def token_id(data: Mapping[str, Any], role: str) -> int | None:
    """The id of the token with this role, "bos", "eos", "eot" and so on; None if the file has none.

    >>> token_id({"tokenizer.ggml.eos_token_id": 12, "tokenizer.ggml.tokens": ["a"]}, "eos")
    Traceback (most recent call last):
    ValueError: tokenizer.ggml.eos_token_id is 12, the vocabulary has the ids 0 to 0: export the file anew
    """
    key, tokens = f"tokenizer.ggml.{role}_token_id", data.get("tokenizer.ggml.tokens")
    id = data.get(key)
    if id is None or id in (NONE, -1):
        return None
    if not isinstance(id, int) or isinstance(id, bool):
        raise ValueError(f"{key} should be a number, not {id!r:.60}")
    if id < 0 or (isinstance(tokens, list) and id >= len(tokens)):
        there = (
            f"the vocabulary has the ids 0 to {len(tokens) - 1}" if isinstance(tokens, list) else "expected 0 or more"
        )
        raise ValueError(f"{key} is {id}, {there}: export the file anew")
    return id


def texts(data: Mapping[str, Any], key: str) -> list[str]:
    """A list of texts in the header; a ValueError if it is missing or something else.

    >>> texts({}, "merges")
    Traceback (most recent call last):
    ValueError: tokenizer.ggml.merges is None, not a list of texts: export the file anew
    """
    found = data.get(f"tokenizer.ggml.{key}")
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError(f"tokenizer.ggml.{key} is {found!r:.60}, not a list of texts: export the file anew")
    return found
