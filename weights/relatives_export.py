"""Writing a BERT, a BART or a T5 in Hugging Face layout: a folder that transformers and `load_relative` read."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch

from minigpt.models.bart import Bart
from minigpt.models.bert import Bert
from minigpt.models.t5 import T5
from weights.export import refuse_overflow, write_json
from weights.families.bart import BART_FAMILY
from weights.families.bert import BERT_FAMILY
from weights.families.t5 import T5_FAMILY
from weights.formats.safetensors_writer import write

FAMILIES = {Bert: BERT_FAMILY, Bart: BART_FAMILY, T5: T5_FAMILY}
OFFICIAL: dict[type, tuple[tuple[str, str], ...]] = {  # patterns of our names, and what transformers calls them
    Bert: (
        (r"^(\w+_embeddings)\.", r"bert.embeddings.\1."),
        (r"^embeddings_norm\.", "bert.embeddings.LayerNorm."),
        (r"^pooler\.", "bert.pooler.dense."),
        (r"^transform\.", "cls.predictions.transform.dense."),
        (r"^transform_norm\.", "cls.predictions.transform.LayerNorm."),
        (r"^predictions_bias$", "cls.predictions.bias"),
        (r"^layer\.", "bert.encoder.layer."),
        (r"\.attention\.(query|key|value)\.", r".attention.self.\1."),
        (r"\.attention_norm\.", ".attention.output.LayerNorm."),
        (r"\.output_norm\.", ".output.LayerNorm."),
        (r"\.(intermediate|output)\.(?=weight|bias)", r".\1.dense."),
    ),
    Bart: ((r"^(?!final_logits_bias)", "model."),),
    T5: (
        (r"^(encoder|decoder)_bias\.", r"\1.block.0.layer.0.SelfAttention.relative_attention_bias."),
        (r"^(encoder|decoder)_norm\.", r"\1.final_layer_norm."),
        (r"^(encoder|decoder)\.(?=\d)", r"\1.block."),
        (r"\.attn\.", ".layer.0.SelfAttention."),
        (r"\.ln_1\.", ".layer.0.layer_norm."),
        (r"\.cross_attn\.", ".layer.1.EncDecAttention."),
        (r"\.ln_cross\.", ".layer.1.layer_norm."),
        (r"^(encoder.*)\.mlp\.", r"\1.layer.1.DenseReluDense."),
        (r"^(decoder.*)\.mlp\.", r"\1.layer.2.DenseReluDense."),
        (r"^(encoder.*)\.ln_2\.", r"\1.layer.1.layer_norm."),
        (r"^(decoder.*)\.ln_2\.", r"\1.layer.2.layer_norm."),
    ),
}


def official_name(kind: type[Bert | Bart | T5], name: str) -> str:
    """What transformers calls a parameter.

    >>> official_name(T5, "decoder.2.ln_cross.weight")
    'decoder.block.2.layer.1.layer_norm.weight'
    """
    for pattern, official in OFFICIAL[kind]:
        name = re.sub(pattern, official, name)
    return name


def save_relative(
    model: Bert | Bart | T5, folder: Path, dtype: torch.dtype | None = None, special: Mapping[str, int] | None = None
) -> None:
    """Writes config.json, with the ids of `special` tokens (pad_token_id, …), and model.safetensors; for a BART or T5
    generation_config.json too. The tokenizer writes its own files.

    Raises ValueError for weights that are not finite, or would not be in this dtype.
    """
    named = {official_name(type(model), name): parameter for name, parameter in model.named_parameters()}
    dtype = dtype or next(model.parameters()).dtype
    refuse_overflow(named, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "model.safetensors", named, dtype)
    config = FAMILIES[type(model)].write_config(model.config)
    write_json(folder / "config.json", {**config, "dtype": str(dtype).removeprefix("torch."), **(special or {})})
    if not isinstance(model, Bert):
        write_json(folder / "generation_config.json", special or {})
