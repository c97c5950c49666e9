"""The default settings in a GGUF file's header, under the names of generation_config.json."""

from collections.abc import Mapping
from typing import Any

from tokenizer.formats.gguf import CONTROL, USER_DEFINED, token_id
from weights.families.family import field

Values = Mapping[str, Any]

# tokens that end a text in every model that has them: llama.cpp, src/llama-vocab.cpp (special_eog_ids)
ENDS = (
    *("<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>"),
    *("<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<eos>"),
    *("<end_of_utterance>", "<｜end▁of▁sentence｜>", "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>"),
    *("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<|file_sep|>"),
)
END_ROLES = ("eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep")
NOT_LAST = ({"<|return|>", "<|call|>"}, {"<|calls|>", "<|flush|>"})  # if a model has these, <|end|> ends only a part
SAMPLING = {"temp": "temperature", "top_k": "top_k", "top_p": "top_p", "min_p": "min_p"}
NEUTRAL = {"penalty_repeat": 1, "xtc_probability": 0, "mirostat": 0}  # llama.cpp's other samplers, switched off


def has_vocabulary(values: Values) -> bool:
    """Whether the file holds a vocabulary, of whatever kind."""
    return "tokenizer.ggml.tokens" in values and values.get("tokenizer.ggml.model") not in ("none", "no_vocab")


def read_generation_config(values: Values) -> dict[str, Any]:
    """The special ids and the recommended sampling; a ValueError names a sampler that is not implemented here.

    >>> read_generation_config({"tokenizer.ggml.eos_token_id": 5, "tokenizer.ggml.eot_token_id": 7})
    {'eos_token_id': [5, 7]}
    """
    found: dict[str, Any] = {"bos_token_id": token_id(values, "bos"), "pad_token_id": padding(values)}
    ends = end_ids(values)
    found["eos_token_id"] = ends[0] if len(ends) == 1 else ends or None
    for name, usual in NEUTRAL.items():
        value = values.get(f"general.sampling.{name}", usual)
        if value not in (0, usual):
            raise ValueError(f"general.sampling.{name} is {value!r:.60}, which is not implemented here")
    for name, ours in SAMPLING.items():
        if f"general.sampling.{name}" in values:
            found[ours] = field(values, f"general.sampling.{name}", kind=int if name == "top_k" else float)
            found["do_sample"] = True
    if found.get("temperature") == 0:
        found["do_sample"] = False
    suppressed = values.get("tokenizer.ggml.suppress_tokens")
    if suppressed:
        found["suppress_tokens"] = suppressed
    return {name: value for name, value in found.items() if value is not None}


def end_ids(values: Values) -> list[int]:
    """The ids that end a text: those that the header gives these roles, then the special tokens known for it."""
    tokens, kinds = values.get("tokenizer.ggml.tokens"), values.get("tokenizer.ggml.token_type")
    named: dict[str, int] = {}
    if isinstance(tokens, list) and isinstance(kinds, list) and len(kinds) == len(tokens):
        special = {token: i for i, token in enumerate(tokens) if kinds[i] in (CONTROL, USER_DEFINED)}
        named = {token: special[token] for token in ENDS if token in special}
    roles = [token_id(values, role) for role in END_ROLES]
    if any(names <= named.keys() for names in NOT_LAST):
        part = named.pop("<|end|>", None)
        roles = [id for id in roles if id != part]
    return list(dict.fromkeys(id for id in (*roles, *named.values()) if id is not None))


def padding(values: Values) -> int | None:
    """The id that fills up batches, if the vocabulary has it: nothing here depends on it."""
    try:
        return token_id(values, "padding")
    except ValueError:
        return None
