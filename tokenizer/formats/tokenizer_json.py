"""tokenizer.json, the one file in which Hugging Face's `tokenizers` keeps a whole tokenizer.

That library can do more than byte-pair encoding on bytes. What this package would do differently is refused
by name, never guessed: a tokenizer that is nearly right is wrong where nobody looks.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tokenizer.formats.byte_alphabet import CHARS, bytes_to_unicode, unicode_to_bytes
from tokenizer.formats.merges import check_merges, recover_merges
from tokenizer.formats.template import Around, read_template, write_template
from tokenizer.formats.text import expect
from tokenizer.patterns import GPT2_PATTERN, SMOLLM2_PATTERN
from tokenizer.vocabulary import Vocabulary

Json = dict[str, Any]

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SPLIT = {"type": "Split", "behavior": "Isolated", "invert": False}
DIGITS = {"type": "Digits", "individual_digits": True}


def to_json(vocabulary: Vocabulary) -> Json:
    """What tokenizer.json holds for a vocabulary, ready for `json.dumps`.

    >>> to_json(Vocabulary({b"h": 0, b"i": 1, b"hi": 2}))["model"]["merges"]
    [['h', 'i']]
    """
    split = {**SPLIT, "pattern": {"Regex": vocabulary.pattern}}
    before: Json = {"type": "Sequence", "pretokenizers": [split, {**BYTES, "use_regex": False}]}
    if vocabulary.pattern == GPT2_PATTERN:
        before = BYTES
    elif vocabulary.pattern == SMOLLM2_PATTERN:
        before = {"type": "Sequence", "pretokenizers": [DIGITS, BYTES]}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": name, **plain} for name, i in by_id(vocabulary.special_tokens)],
        "normalizer": {"type": vocabulary.normalizer} if vocabulary.normalizer else None,
        "pre_tokenizer": before,
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
            "ignore_merges": False,
            "vocab": vocab_of(vocabulary),
            "merges": [[bytes_to_unicode(a), bytes_to_unicode(b)] for a, b in recover_merges(vocabulary.ranks)],
        },
    }


def vocab_of(vocabulary: Vocabulary) -> dict[str, int]:
    """All tokens in printable characters, the special ones as they are, in the order of their ids.

    >>> vocab_of(Vocabulary({b" ": 0}, special_tokens={"<|end|>": 1}))
    {'Ġ': 0, '<|end|>': 1}
    """
    vocab = {bytes_to_unicode(token): i for token, i in vocabulary.ranks.items()}
    for name, i in vocabulary.special_tokens.items():
        if vocab.setdefault(name, i) != i:
            raise ValueError(f"special token {name!r} is spelled like token {vocab[name]}: a file cannot hold both")
    return dict(by_id(vocab))


def by_id(vocab: Mapping[str, int]) -> list[tuple[str, int]]:
    """The entries in the order of their ids.

    >>> by_id({"b": 1, "a": 0})
    [('a', 0), ('b', 1)]
    """
    return sorted(vocab.items(), key=lambda item: item[1])


def from_json(data: Json, name: str) -> Vocabulary:
    """The vocabulary of a tokenizer.json; `name` is for the ValueError that says what cannot be represented.

    All `added_tokens` become special, also one with `"special": false`: `encode` takes its name for plain text
    unless it is allowed, where `tokenizers` would always give its id. So do tokens that no merge makes.

    >>> from_json(to_json(Vocabulary({b"h": 0, b"i": 1, b"hi": 2})), "tokenizer.json").ranks
    {b'h': 0, b'i': 1, b'hi': 2}
    """

    def refuse(what: str, found: object) -> ValueError:
        return ValueError(f"{name}: {what} is {str(found)[:120]}, which this tokenizer cannot represent exactly")

    model = expect(name, "the model", data.get("model"), dict)
    if model.get("type", "BPE" if "merges" in model else None) != "BPE":
        raise refuse("the model", model.get("type"))
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if model.get(key):
            raise refuse(f"the model's {key}", model[key])
    if expect(name, "the decoder", data.get("decoder") or {}, dict).get("type") != "ByteLevel":
        raise refuse("the decoder", data.get("decoder"))
    special: dict[str, int] = {}
    for token in expect(name, "added_tokens", data.get("added_tokens") or [], list):
        content = expect(
            name, "an added token's content", expect(name, "an added token", token, dict).get("content"), str
        )
        special[content] = token.get("id")
        for key in ("lstrip", "rstrip", "single_word"):
            if token.get(key):
                raise refuse(f"{key} of the token {content!r}", token[key])
    merges = expect(name, "the model's merges", model.get("merges"), list)
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    normalizer = _normalizer(data.get("normalizer"), refuse, name)
    pattern = _pattern(data.get("pre_tokenizer"), refuse, name)
    vocab = expect(name, "the model's vocab", model.get("vocab"), dict)
    around = read_template(data.get("post_processor"), name)
    return assemble(vocab, merges, special, pattern, normalizer, name, bool(model.get("ignore_merges")), around)


def assemble(
    vocab: Mapping[str, int],
    merges: Sequence[Sequence[str]],
    special: Mapping[str, int],
    pattern: str,
    normalizer: str | None,
    name: str,
    all_made: bool = False,
    around: Around = ((), ()),
) -> Vocabulary:
    """A vocabulary from a printable vocabulary and its merges, checked against each other.

    A token that is no byte and comes from no merge is special, or, with `all_made`, a ValueError.

    >>> assemble({"a": 0, "b": 1, "ab": 2}, [["a", "b"]], {}, GPT2_PATTERN, None, "x").ranks[b"ab"]
    2
    """
    for text, i in (*vocab.items(), *special.items()):
        expect(name, f"the id of {text!r}", i, int)
    for merge in merges:
        if not isinstance(merge, (list, tuple)) or [type(part) for part in merge] != [str, str]:
            raise ValueError(f"{name}: the merge {merge!r:.120} is not two tokens: save the tokenizer anew")
    made = {*CHARS, *(a + b for a, b in merges)}
    if not all_made:
        special = {text: i for text, i in vocab.items() if text not in made} | dict(special)
    try:
        token = {text: unicode_to_bytes(text) for text in vocab if text not in special or text in made}
        pairs = [(token[a], token[b]) for a, b in merges]
        ranks = {token[text]: vocab[text] for text in token}
        check_merges(ranks, pairs)
        return Vocabulary(ranks, pattern, dict(special), normalizer, *around)
    except KeyError as error:
        raise ValueError(f"{name}: a merge names {error.args[0]!r}, which is not in the vocabulary") from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _steps(part: Any, what: str, several: str, name: str) -> list[Json]:
    steps = [expect(name, what, part, dict)] if part else []
    if steps and part.get("type") == "Sequence":
        steps = expect(name, f"{what}'s {several}", part.get(several), list)
    return [expect(name, f"a step of {what}", step, dict) for step in steps]


def _normalizer(part: Any, refuse: Callable[[str, object], ValueError], name: str) -> str | None:
    steps = _steps(part, "the normalizer", "normalizers", name)
    if any(step.get("type") != "NFC" for step in steps):
        raise refuse("the normalizer", part)
    return "NFC" if steps else None


def _pattern(before: Any, refuse: Callable[[str, object], ValueError], name: str) -> str:
    *cuts, last = _steps(before, "the pre_tokenizer", "pretokenizers", name) or [{}]
    if last.get("type") != "ByteLevel":
        raise refuse("the pre_tokenizer", before)
    if last.get("add_prefix_space"):
        raise refuse("the pre_tokenizer's add_prefix_space", True)
    if last.get("use_regex", True):
        if not cuts:
            return GPT2_PATTERN
        if cuts == [DIGITS]:
            return SMOLLM2_PATTERN
    elif len(cuts) == 1 and isinstance(cuts[0].get("pattern"), dict):
        regex = str(cuts[0]["pattern"].get("Regex"))
        if cuts[0] == {**SPLIT, "pattern": {"Regex": regex}}:
            return regex
    raise refuse("the pre_tokenizer", before)
