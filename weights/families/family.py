"""What a family of models is to the loader: how to read its config.json, and how its files name the parameters."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

WRAPPERS = ("module.", "_orig_mod.")  # left by DataParallel and torch.compile when they save


@dataclass(frozen=True)
class Family:
    """One architecture's dialects."""

    name: str
    build: Callable[[Any], nn.Module]
    read_config: Callable[
        [Mapping[str, Any]], Any
    ]  # the model's config, from config.json's values; ValueError names field and value
    write_config: Callable[[Any], dict[str, Any]]  # back to config.json's values
    prefixes: tuple[str, ...]  # what transformers puts before the parameters' names
    ignored: re.Pattern[str]  # names of tensors that are no parameters
    transposed: re.Pattern[str]  # names of parameters stored as (in, out)
    embedding: str  # where the output matrix is when the files tie it
    renames: tuple[tuple[str, str], ...] = ()  # patterns of other names and what they are called here, in this order
    layers: str = r"(h|layers)\.\d+\."  # how the names of a layer's parameters begin

    def parameter(self, key: str) -> str | None:
        """The parameter that a file's key names, or None for a tensor that is not one."""
        while key.startswith(WRAPPERS):
            key = key.split(".", 1)[1]
        for prefix in self.prefixes:
            key = key.removeprefix(prefix)
        for pattern, name in self.renames:
            key = re.sub(pattern, name, key)
        return None if self.ignored.fullmatch(key) else key


def field(data: Mapping[str, Any], *names: str, kind: type = int, default: Any = None) -> Any:
    """The value of these names, which mean the same; null counts as missing.

    A ValueError if there is none and no default, if it is of another kind, and if two of them differ.

    >>> field({"n_ctx": 1024}, "n_positions", "n_ctx")
    1024
    >>> field({"n_ctx": "x"}, "n_ctx")
    Traceback (most recent call last):
    ValueError: n_ctx should be a number, not 'x'
    >>> field({"n_layer": 2, "num_hidden_layers": 3}, "n_layer", "num_hidden_layers")
    Traceback (most recent call last):
    ValueError: n_layer is 2, but num_hidden_layers is 3: they mean the same, leave one of them
    """
    found = {name: data[name] for name in names if data.get(name) is not None}
    for name, value in found.items():
        wanted = (int, float) if kind is float else kind
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
            whole = "a whole number" if kind is int and isinstance(value, float) else "a number"
            expected = {bool: "true or false", str: "a name"}.get(kind, whole)
            raise ValueError(f"{name} should be {expected}, not {value!r:.80}")
        first = next(iter(found))
        if name != first and value != found[first]:
            raise ValueError(f"{first} is {found[first]}, but {name} is {value}: they mean the same, leave one of them")
    if not found and default is None:
        raise ValueError(f"{names[0]} is missing")
    return kind(next(iter(found.values()))) if found else default


def size(data: Mapping[str, Any], *names: str, default: int, optional: bool = False) -> int:
    """A size, or if missing the default, which is transformers' own; null counts as missing only if `optional`.

    >>> size({"n_inner": None}, "n_inner", default=0, optional=True)
    0
    >>> size({"n_layer": None}, "n_layer", default=12)
    Traceback (most recent call last):
    ValueError: n_layer is missing
    """
    there = [name for name in names if name in data and not (optional and data[name] is None)]
    value = int(field(data, *names)) if there else default
    if there and optional and value < 1:
        raise ValueError(f"{there[0]} must be at least 1, not {value}")
    return value


def refuse_unless(data: Mapping[str, Any], **expected: tuple[Any, ...]) -> None:
    """A ValueError for the first field that is there with a value that the model does not implement.

    >>> refuse_unless({"add_cross_attention": True}, add_cross_attention=(False, None))
    Traceback (most recent call last):
    ValueError: add_cross_attention is True; only False is implemented here
    """
    for name, values in expected.items():
        if name in data and data[name] not in values:
            named = " or ".join(repr(v) for v in values if v is not None) or "null"
            raise ValueError(f"{name} is {data[name]!r:.80}; only {named} is implemented here")


# Fields that change what a model computes and that no family here has, with the values that change nothing. What
# affects training or saving (dropouts, initializer_range, use_cache, torch_dtype, …) may be ignored; a field that
# nothing here names is ignored, as it is by transformers.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("add_cross_attention", "is_encoder_decoder", "alibi", "multi_query"), (False, None)),
    **dict.fromkeys(("use_qk_norm", "qk_layernorm", "use_parallel_residual", "use_mrope"), (False, None)),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), (0, 1, None)),
    **dict.fromkeys(("embedding_multiplier", "residual_multiplier", "logits_scaling", "logit_scale"), (1, None)),
    **dict.fromkeys(("attn_logit_softcapping", "final_logit_softcapping", "clip_qkv", "attention_chunk_size"), (None,)),
    **dict.fromkeys(("attention_multiplier", "query_pre_attn_scalar"), (None,)),
    **dict.fromkeys(("pruned_heads", "per_layer_config", "no_rope_layers"), (None, {}, [])),
}

# The heads of other tasks and of reinforcement learning; transformers leaves them out when it loads a language model.
OTHER_HEADS = r"(score|classifier|qa_outputs|multiple_choice_head|summary|v_head|value_head)\..+"
