"""tokenizer.json, the one file in which Hugging Face's `tokenizers` keeps a whole tokenizer.

That library can do more than byte-pair encoding on bytes. What this package would do differently is refused
by name, never guessed: a tokenizer that is nearly right is wrong where nobody looks.
"""

from collections.abc import Mapping
from typing import Any

from tokenizer.formats.assemble import assemble
from tokenizer.formats.byte_alphabet import CHARS, bytes_to_unicode
from tokenizer.formats.merges import recover_merges
from tokenizer.formats.pipeline import BYTES, read_cuts, read_normalizer, refuse, steps, write_cuts, write_normalizer
from tokenizer.formats.template import read_template, write_template
from tokenizer.formats.text import boolean, expect
from tokenizer.steps.added import FLAGS, ORDINARY
from tokenizer.vocabulary import Vocabulary

Json = dict[str, Any]

PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


def to_json(vocabulary: Vocabulary) -> Json:
    """What tokenizer.json holds for a vocabulary, ready for `json.dumps`.

    >>> to_json(Vocabulary({b"h": 0, b"i": 1, b"hi": 2}))["model"]["merges"]
    [['h', 'i']]
    """
    ranks, special, flags = vocabulary.ranks, vocabulary.special_tokens, vocabulary.flags

    def added(name: str, i: int) -> Json:
        own = {flag: flag in flags.get(name, ()) for flag in FLAGS}
        return {"id": i, "content": name, **PLAIN, **own, "special": ORDINARY not in flags.get(name, ())}

    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added(name, i) for name, i in by_id(special)],
        "normalizer": write_normalizer(vocabulary.normalizer),
        "pre_tokenizer": write_cuts(vocabulary.pattern, vocabulary.cuts),
        "post_processor": write_template(vocabulary.before, vocabulary.after, vocabulary.tokens),
        "decoder": BYTES,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": len(vocabulary.whole) > len(ranks),
            "vocab": model_vocab(vocabulary),
            "merges": [[bytes_to_unicode(a), bytes_to_unicode(b)] for a, b in recover_merges(ranks)],
        },
    }


def vocab_of(vocabulary: Vocabulary) -> dict[str, int]:
    """All tokens in printable characters, the special ones as they are, in the order of their ids.

    >>> vocab_of(Vocabulary({b" ": 0}, special_tokens={"<|end|>": 1}))
    {'Ġ': 0, '<|end|>': 1}
    """
    vocab = {bytes_to_unicode(token): i for token, i in vocabulary.whole.items()}
    for name, i in vocabulary.special_tokens.items():
        if vocab.setdefault(name, i) != i:
            raise ValueError(f"special token {name!r:.80} is spelled like token {vocab[name]}: a file cannot hold both")
    return dict(by_id(vocab))


def model_vocab(vocabulary: Vocabulary) -> dict[str, int]:
    """`vocab_of`, but without the special tokens at its end if whole pieces are looked up: a piece spelled like one of
    them that is not one, as `single_word` or a normalizer can cause, would be found there.

    >>> model_vocab(Vocabulary({b"a": 0}, special_tokens={"ab": 2}, unmerged={b"aa": 1}))
    {'a': 0, 'aa': 1}
    """
    vocab, whole = vocab_of(vocabulary), vocabulary.whole
    if len(whole) > len(vocabulary.ranks):
        for name, i in reversed(by_id(vocabulary.special_tokens)):
            if i == len(vocab) - 1 and name.encode() not in whole:
                del vocab[name]
    return vocab


def by_id(vocab: Mapping[str, int]) -> list[tuple[str, int]]:
    """The entries in the order of their ids.

    >>> by_id({"b": 1, "a": 0})
    [('a', 0), ('b', 1)]
    """
    return sorted(vocab.items(), key=lambda item: item[1])


def from_json(data: Json, name: str) -> Vocabulary:
    """The vocabulary of a tokenizer.json; `name` is for the ValueError that says what cannot be represented.

    All `added_tokens` become special, even one with `"special": false`: `encode` takes its name as plain text
    unless it is allowed, while `tokenizers` would always give its id. Tokens that no merge makes become special too.

    >>> from_json(to_json(Vocabulary({b"h": 0, b"i": 1, b"hi": 2})), "tokenizer.json").ranks
    {b'h': 0, b'i': 1, b'hi': 2}
    """
    model = expect(name, "the model", data.get("model"), dict)
    if model.get("type", "BPE" if "merges" in model else None) != "BPE":
        raise refuse(name, "the model", model.get("type"))
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if model.get(key):
            raise refuse(name, f"the model's {key}", model[key])
    decoder = steps(data.get("decoder"), "the decoder", "decoders", name)
    if [step.get("type") for step in decoder] != ["ByteLevel"]:
        raise refuse(name, "the decoder", data.get("decoder"))
    if data.get("truncation") is not None:  # `tokenizers` truncates long texts then, transformers never does
        raise ValueError(f'{name}: truncation is {data["truncation"]!s:.80}: write "truncation": null to encode all')
    padding = expect(name, "padding", data.get("padding") or {}, dict)
    if padding and (padding.get("strategy") != "BatchLongest" or padding.get("pad_to_multiple_of")):
        raise ValueError(f'{name}: padding is {padding!s:.80}: write "padding": null to encode without it')
    special, flags = read_added(data.get("added_tokens") or [], name)
    merges = expect(name, "the model's merges", model.get("merges"), list)
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    vocab = expect(name, "the model's vocab", model.get("vocab"), dict)
    if model.get("unk_token") and not set(CHARS) <= vocab.keys():
        raise refuse(name, "the unk_token of a vocabulary without all bytes", model["unk_token"])
    normalizer = read_normalizer(data.get("normalizer"), name)
    pattern, cuts = read_cuts(data.get("pre_tokenizer"), name)
    around, whole = read_template(data.get("post_processor"), name), bool(boolean(model, "ignore_merges", name))
    return assemble(vocab, merges, special, pattern, normalizer, name, False, whole, around, cuts, flags)


def read_added(tokens: Any, name: str) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
    """The ids of added tokens, and the flags of those that have any.

    >>> read_added([{"id": 5, "content": "<x>", "lstrip": True}], "x")
    ({'<x>': 5}, {'<x>': ('lstrip',)})
    """
    special: dict[str, int] = {}
    flags: dict[str, tuple[str, ...]] = {}
    for token in expect(name, "added_tokens", tokens, list):
        token = {"special": True} | expect(name, "an added token", token, dict)
        content = expect(name, "an added token's content", token.get("content"), str)
        if special.setdefault(content, token.get("id")) != token.get("id"):
            raise ValueError(f"{name}: the added token {content!r:.80} has two ids: leave one")
        found = [flag for flag in FLAGS if boolean(token, flag, name)]
        found += [] if boolean(token, "special", name) else [ORDINARY]
        flags |= {content: tuple(found)} if found else {}
    return special, flags
