"""What the files beside a vocabulary say about it: tokenizer_config.json, special_tokens_map.json, added_tokens.json.

As transformers 5 reads them: `from_pretrained` in `tokenization_utils_base.py`, `TokenizersBackend.__init__`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tokenizer.formats.text import expect, read_json
from tokenizer.formats.tokenizer_json import read_added
from tokenizer.patterns import GPT2_PATTERN, QWEN2_PATTERN
from tokenizer.steps.cutting import PrefixSpace
from tokenizer.vocabulary import Vocabulary

NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
SEVERAL = ("additional_special_tokens", "extra_special_tokens")
USUAL = ("GPT2Tokenizer", "GPT2TokenizerFast")
CLASSES = {"GPT2Tokenizer": (GPT2_PATTERN, None), "Qwen2Tokenizer": (QWEN2_PATTERN, "NFC")}  # pattern, normalizer
MODELS = {"gpt2": "GPT2Tokenizer", "qwen2": "Qwen2Tokenizer", "qwen3": "Qwen2Tokenizer"}  # without a class of its own


class Companions(NamedTuple):
    """What the files said, and in which folder.

    >>> Companions(Path("x"), {}, {}, {}, []).kind
    'GPT2Tokenizer'
    """

    folder: Path
    config: Mapping[str, Any]  # tokenizer_config.json, and special_tokens_map.json where it counts
    ids: Mapping[str, int]  # of added tokens
    flags: Mapping[str, tuple[str, ...]]
    named: list[str]  # special tokens by name alone

    @property
    def name(self) -> str:
        """The file, for errors."""
        return str(self.folder / "tokenizer_config.json")

    @property
    def kind(self) -> str:
        """The tokenizer's class, which decides how it cuts if the vocabulary's files do not; else a ValueError."""
        kind = self.config.get("tokenizer_class")
        if kind is None:
            path = self.folder / "config.json"
            model = read_json(path).get("model_type") if path.exists() else "gpt2"
            return MODELS.get(str(model), "GPT2Tokenizer")
        kind = expect(self.name, "tokenizer_class", kind, str).removesuffix("Fast")
        if kind not in CLASSES or self.config.get("auto_map"):
            known = " and ".join(CLASSES)
            raise ValueError(f"{self.name}: tokenizer_class is {kind!r:.60}, known are {known}: add its tokenizer.json")
        return str(kind)

    def flag(self, key: str) -> bool | None:
        """True, false, or None if the file does not say.

        >>> Companions(Path("x"), {"add_bos_token": True}, {}, {}, []).flag("add_bos_token")
        True
        """
        found = self.config.get(key)
        if found is not None and not isinstance(found, bool):
            raise ValueError(f"{self.name}: {key} is {found!r:.60}, not true or false: correct it")
        return found if found is None else bool(found)


def read_companions(folder: Path) -> Companions:
    """What the files in a folder say; a ValueError names the file that is wrong."""
    path = folder / "tokenizer_config.json"
    config = read_json(path) if path.exists() else {}
    if config.get("added_tokens_decoder") is not None:
        tokens = []
        for i, token in expect(str(path), "added_tokens_decoder", config["added_tokens_decoder"], dict).items():
            if not (i.isascii() and i.isdigit() and len(i) < 12):
                raise ValueError(f"{path}: the id {i!r:.60} in added_tokens_decoder is no number: correct it")
            tokens.append(expect(str(path), f"the added token {i}", token, dict) | {"id": int(i)})
        ids, flags = read_added(sorted(tokens, key=lambda token: int(token["id"])), str(path))
        return Companions(folder, config, ids, flags, named(config, path))
    special, added = folder / "special_tokens_map.json", folder / "added_tokens.json"
    if special.exists():
        config = config | read_json(special)
    names = named(config, special if special.exists() else path)
    listed = read_json(added) if added.exists() else {}
    ids = {name: expect(str(added), f"the id of {name!r:.80}", i, int) for name, i in listed.items()}
    return Companions(folder, config, ids, {name: ("normalized",) for name in ids if name not in names}, names)


def named(config: Mapping[str, Any], path: Path) -> list[str]:
    """The special tokens that a configuration names.

    >>> named({"eos_token": {"content": "</s>"}, "extra_special_tokens": ["<x>"]}, Path("x"))
    ['</s>', '<x>']
    """
    found = [(key, config[key]) for key in NAMED if config.get(key) is not None]
    for key in SEVERAL:
        one = config.get(key) or []
        tokens = one.values() if isinstance(one, dict) else expect(str(path), key, one, list)
        found += [(f"a token of {key}", token) for token in tokens]
    contents = [(what, token.get("content") if isinstance(token, dict) else token) for what, token in found]
    return [expect(str(path), what, content, str) for what, content in contents]


def obey(vocabulary: Vocabulary, said: Companions, has_ends: bool) -> Vocabulary:
    """The vocabulary with what the files beside it say; a ValueError if they contradict it. With `has_ends`
    the vocabulary itself says which ids surround every text, as a tokenizer.json does with its post_processor."""
    special, flags = dict(vocabulary.special_tokens), dict(vocabulary.flags)
    for name, i in said.ids.items():
        if special.setdefault(name, i) != i:
            raise ValueError(f"{said.name}: the token {name!r:.80} has the id {i}, in the vocabulary {special[name]}")
        if name not in vocabulary.special_tokens and name in said.flags:
            flags[name] = said.flags[name]
    n = vocabulary.n_vocab
    for name in said.named:  # those without an id get the next ones
        if name not in special:
            special[name] = vocabulary.whole.get(name.encode(), n)
            n = max(n, special[name] + 1)
    before, after, cuts, pattern = vocabulary.before, vocabulary.after, vocabulary.cuts, vocabulary.pattern
    if not has_ends:
        before = around("bos_token", "add_bos_token", special, said)
        after = around("eos_token", "add_eos_token", special, said)
    prefix = said.flag("add_prefix_space")
    if prefix is not None and prefix != (PrefixSpace() in cuts):
        if pattern == GPT2_PATTERN and said.config.get("tokenizer_class") in (None, *USUAL):
            cuts = (*cuts, PrefixSpace()) if prefix else tuple(cut for cut in cuts if cut != PrefixSpace())
        else:
            raise ValueError(f"{said.name}: add_prefix_space is {prefix}, tokenizer.json says not: correct one")
    old = vocabulary.special_tokens, vocabulary.flags, vocabulary.before, vocabulary.after, vocabulary.cuts
    if (special, flags, before, after, cuts) == old:
        return vocabulary
    ranks, own = vocabulary.ranks, vocabulary.whole
    unmerged = {token: i for token, i in own.items() if token not in ranks} if own is not ranks else None
    try:
        return Vocabulary(ranks, pattern, special, vocabulary.normalizer, before, after, cuts, flags, unmerged)
    except ValueError as error:
        raise ValueError(f"{said.name}: {error}") from None


def around(token: str, flag: str, special: Mapping[str, int], said: Companions) -> tuple[int, ...]:
    """The id that a configuration puts at one end of every text.

    >>> said = Companions(Path("x"), {"add_bos_token": True, "bos_token": "<s>"}, {}, {}, [])
    >>> around("bos_token", "add_bos_token", {"<s>": 5}, said)
    (5,)
    """
    found = said.config.get(token)
    name = found.get("content") if isinstance(found, dict) else found
    if not said.flag(flag) or name is None:
        return ()
    if name not in special:
        raise ValueError(f"{said.name}: {flag} is true, but {token} {name!r:.60} is not in the vocabulary: correct it")
    return (special[name],)
