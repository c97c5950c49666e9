"""tokenizer.json, the one file in which Hugging Face's `tokenizers` keeps a whole tokenizer.

That library can do more than byte-pair encoding on bytes. What this package would do differently is refused
by name, never guessed: a tokenizer that is nearly right is wrong where nobody looks.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tokenizer.alphabet import printable, unprintable
from tokenizer.bpe import Tokenizer
from tokenizer.derivation import check_merges, merges_of
from tokenizer.patterns import GPT2_PATTERN, SMOLLM2_PATTERN

Json = dict[str, Any]

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SPLIT = {"type": "Split", "behavior": "Isolated", "invert": False}
DIGITS = {"type": "Digits", "individual_digits": True}


def to_json(tokenizer: Tokenizer) -> Json:
    """What tokenizer.json holds for a tokenizer, ready for `json.dumps`.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b"hi": 256})
    >>> to_json(tok)["model"]["merges"]
    [['h', 'i']]
    """
    split = {**SPLIT, "pattern": {"Regex": tokenizer.pattern}}
    before: Json = {"type": "Sequence", "pretokenizers": [split, {**BYTES, "use_regex": False}]}
    if tokenizer.pattern == GPT2_PATTERN:
        before = BYTES
    elif tokenizer.pattern == SMOLLM2_PATTERN:
        before = {"type": "Sequence", "pretokenizers": [DIGITS, BYTES]}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": name, **plain} for name, i in by_id(tokenizer.special_tokens)],
        "normalizer": {"type": tokenizer.normalizer} if tokenizer.normalizer else None,
        "pre_tokenizer": before,
        "post_processor": None,
        "decoder": BYTES,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocab_of(tokenizer),
            "merges": [[printable(a), printable(b)] for a, b in merges_of(tokenizer.ranks)],
        },
    }


def vocab_of(tokenizer: Tokenizer) -> dict[str, int]:
    """All tokens in printable characters, the special ones as they are, in the order of their ids.

    >>> vocab_of(Tokenizer({b" ": 0}, special_tokens={"<|end|>": 1}))
    {'Ġ': 0, '<|end|>': 1}
    """
    vocab = {printable(token): i for token, i in tokenizer.ranks.items()}
    for name, i in tokenizer.special_tokens.items():
        if vocab.setdefault(name, i) != i:
            raise ValueError(f"special token {name!r} is spelled like token {vocab[name]}: a file cannot hold both")
    return dict(by_id(vocab))


def by_id(vocab: Mapping[str, int]) -> list[tuple[str, int]]:
    """The entries in the order of their ids.

    >>> by_id({"b": 1, "a": 0})
    [('a', 0), ('b', 1)]
    """
    return sorted(vocab.items(), key=lambda item: item[1])


def from_json(data: Json, name: str) -> Tokenizer:
    """The tokenizer of a tokenizer.json; `name` is for the ValueError that says what cannot be represented.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b"hi": 256})
    >>> from_json(to_json(tok), "tokenizer.json").encode("hi")
    [256]
    """

    def refuse(what: str, found: object) -> ValueError:
        return ValueError(f"{name}: {what} is {str(found)[:120]}, which this tokenizer cannot represent exactly")

    model = data.get("model") or {}
    if model.get("type", "BPE" if "merges" in model else None) != "BPE":
        raise refuse("the model", model.get("type"))
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if model.get(key):
            raise refuse(f"the model's {key}", model[key])
    if (data.get("decoder") or {}).get("type") != "ByteLevel":
        raise refuse("the decoder", data.get("decoder"))
    for token in data.get("added_tokens") or []:
        for key in ("lstrip", "rstrip", "single_word"):
            if token.get(key):
                raise refuse(f"{key} of the token {token['content']!r}", token[key])
    special = {token["content"]: token["id"] for token in data.get("added_tokens") or []}
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    return assemble(
        model["vocab"], merges, special, _pattern(data.get("pre_tokenizer"), refuse), _normalizer(data, refuse), name
    )


def assemble(
    vocab: Mapping[str, int],
    merges: list[list[str]],
    special: Mapping[str, int],
    pattern: str,
    normalizer: str | None,
    name: str,
) -> Tokenizer:
    """A tokenizer from a printable vocabulary and its merges, checked against each other.

    >>> assemble({"a": 0, "b": 1, "ab": 2}, [["a", "b"]], {}, GPT2_PATTERN, None, "x").encode("ab")
    [2]
    """
    made = {a + b for a, b in merges}
    try:
        token = {text: unprintable(text) for text in vocab if text not in special or text in made}
        pairs = [(token[a], token[b]) for a, b in merges]
        ranks = {token[text]: vocab[text] for text in token}
        check_merges(ranks, pairs)
    except KeyError as error:
        raise ValueError(f"{name}: a merge names {error.args[0]!r}, which is not in the vocabulary") from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return Tokenizer(ranks, pattern, special, normalizer)


def _normalizer(data: Json, refuse: Callable[[str, object], ValueError]) -> str | None:
    steps = [data["normalizer"]] if data.get("normalizer") else []
    if steps and steps[0]["type"] == "Sequence":
        steps = steps[0]["normalizers"]
    if any(step["type"] != "NFC" for step in steps):
        raise refuse("the normalizer", data["normalizer"])
    return "NFC" if steps else None


def _pattern(before: Json | None, refuse: Callable[[str, object], ValueError]) -> str:
    steps = [before or {}]
    if steps[0].get("type") == "Sequence":
        steps = steps[0]["pretokenizers"]
    *cuts, last = steps
    if last.get("type") != "ByteLevel":
        raise refuse("the pre_tokenizer", before)
    if last.get("add_prefix_space"):
        raise refuse("the pre_tokenizer's add_prefix_space", True)
    if last.get("use_regex", True):
        if not cuts:
            return GPT2_PATTERN
        if cuts == [DIGITS]:
            return SMOLLM2_PATTERN
    elif len(cuts) == 1 and cuts[0] == {**SPLIT, "pattern": {"Regex": cuts[0].get("pattern", {}).get("Regex")}}:
        return str(cuts[0]["pattern"]["Regex"])
    raise refuse("the pre_tokenizer", before)
