"""What a sentence-transformers folder says beside the model: how a text's vectors become one, and the longest text.

Source: sentence-transformers, models/Pooling.py and Transformer.py.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from tokenizer.formats.text import read_text
from weights.families.family import field, refuse_unless, size
from weights.formats.folder import read_json, small

MODULES = ("Transformer", "Pooling", "Normalize")  # what is done here; the last changes no cosine
FILES = ("config_sentence_transformers.json", "sentence_bert_config.json")
KINDS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}


class Sentence(NamedTuple):
    """How a text becomes one vector."""

    pooling: str = "mean"  # the mean over its tokens, or "cls", the first token's
    max_tokens: int | None = None  # of a text with [CLS] and [SEP]; None if only the model's positions are a limit


def read_sentence(folder: Path, lower_case: bool) -> Sentence:
    """What the files say; a mean over all tokens if there are none. A ValueError names what is not supported here."""
    place = check_modules(folder / "modules.json")
    data = {name: read_json(path) if (path := folder / name).exists() else {} for name in FILES}
    pooling = folder / place / "config.json"
    try:
        refuse_unless(data["config_sentence_transformers.json"], default_prompt_name=(None,))
        if not lower_case:
            refuse_unless(data["sentence_bert_config.json"], do_lower_case=(False, None))
        longest = size(data["sentence_bert_config.json"], "max_seq_length", default=0, optional=True)
        kind = read_pooling(read_json(pooling)) if pooling.exists() else "mean"
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None
    return Sentence(kind, longest or None)


def read_pooling(data: dict[str, Any]) -> str:
    """The kind of pooling in 1_Pooling/config.json.

    >>> read_pooling({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True})
    'mean'
    >>> read_pooling({"pooling_mode_max_tokens": True})
    Traceback (most recent call last):
    ValueError: pooling is max_tokens; only mean_tokens or cls_token is implemented here
    """
    refuse_unless(data, pooling_mode=("mean", "cls", None), include_prompt=(True, None))
    named = [name for name in data if name.startswith("pooling_mode_") and field(data, name, kind=bool, default=False)]
    kinds = [KINDS.get(name, "") for name in named] + ([data["pooling_mode"]] if data.get("pooling_mode") else [])
    if len(set(kinds)) != 1 or "" in kinds:
        found = " and ".join(name.removeprefix("pooling_mode_") for name in named) or "none"
        raise ValueError(f"pooling is {found}; only mean_tokens or cls_token is implemented here")
    return str(kinds[0])


def check_modules(path: Path) -> str:
    """The folder of the pooling's config.json; a ValueError if modules.json names a part that is not supported here."""
    modules = json.loads(read_text(small(path))) if path.exists() else []
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise ValueError(f"{path}: expected a list of modules: fetch it again")
    place = "1_Pooling"
    for module in modules:
        kind = str(module.get("type")).rpartition(".")[2]
        if kind not in MODULES:
            raise ValueError(f"{path}: the module {kind!r:.80} is not implemented here; known are {', '.join(MODULES)}")
        place = Path(str(module.get("path"))).name if kind == "Pooling" else place
    return place
