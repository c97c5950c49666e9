"""BERT's dialects: the official names and what transformers and sentence-transformers save."""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from minigpt.models.bert import Bert, BertConfig
from weights.families.family import NEUTRAL, OTHER_HEADS, Family, field, refuse_unless, size

RENAMES = (
    (r"\bgamma$", "weight"),  # as in the official TensorFlow files
    (r"\bbeta$", "bias"),
    (r"^encoder\.", ""),
    (r"^embeddings\.(?!LayerNorm)", ""),
    (r"^cls\.predictions\.decoder\.weight$", "word_embeddings.weight"),
    (r"^cls\.predictions\.(decoder\.)?bias$", "predictions_bias"),
    (r"^cls\.predictions\.", ""),
    (r"\.attention\.self\.", ".attention."),
    (r"\.attention\.output\.LayerNorm\.", ".attention_norm."),
    (r"\.LayerNorm\.", "_norm."),
    (r"\.dense\.", "."),
)


def read_config(data: Mapping[str, Any]) -> BertConfig:
    """The sizes in a BERT's config.json, else transformers' defaults; a ValueError names a field not implemented here.

    >>> read_config({"hidden_size": 8, "num_attention_heads": 2, "architectures": ["BertModel"]}).head_dim
    4
    >>> read_config({"position_embedding_type": "relative_key"})
    Traceback (most recent call last):
    ValueError: position_embedding_type is 'relative_key'; only 'absolute' is implemented here
    """
    refuse_unless(data, **NEUTRAL, is_decoder=(False, None), position_embedding_type=("absolute", None))
    refuse_unless(data, hidden_act=("gelu", "gelu_python", None), tie_word_embeddings=(True, None))
    return BertConfig(
        vocab_size=size(data, "vocab_size", default=30522),
        n_ctx=size(data, "max_position_embeddings", default=512),
        n_segments=size(data, "type_vocab_size", default=2),
        n_layer=size(data, "num_hidden_layers", default=12),
        n_head=size(data, "num_attention_heads", default=12),
        n_embd=size(data, "hidden_size", default=768),
        n_inner=size(data, "intermediate_size", default=3072),
        norm_eps=field(data, "layer_norm_eps", kind=float, default=1e-12),
        dropout=field(data, "hidden_dropout_prob", kind=float, default=0.1),
        has_pooler=False,
        has_head=bool({"BertForMaskedLM", "BertForPreTraining"} & set(data.get("architectures") or ())),
    )


def with_parts(config: BertConfig, names: Collection[str]) -> BertConfig:
    """The config with a pooler and a head if parameters with these names are there.

    >>> with_parts(BertConfig(has_pooler=False, has_head=False), ["pooler.weight"]).has_pooler
    True
    """
    pooler = any(name.startswith("pooler.") for name in names)
    head = any(name.startswith(("transform.", "transform_norm.", "predictions_bias")) for name in names)
    return replace(config, has_pooler=config.has_pooler or pooler, has_head=config.has_head or head)


def write_config(config: BertConfig) -> dict[str, Any]:
    """The config.json that transformers reads."""
    kinds = {(True, True): "BertForPreTraining", (False, True): "BertForMaskedLM"}
    return {
        "architectures": [kinds.get((config.has_pooler, config.has_head), "BertModel")],
        "model_type": "bert",
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.n_ctx,
        "type_vocab_size": config.n_segments,
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "hidden_size": config.n_embd,
        "intermediate_size": config.n_inner,
        "layer_norm_eps": config.norm_eps,
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": 0.0,
        "hidden_act": "gelu",
    }


BERT_FAMILY = Family(
    name="bert",
    build=Bert,
    read_config=read_config,
    write_config=write_config,
    prefixes=("0.auto_model.", "auto_model.", "bert."),  # the first two: of sentence-transformers
    ignored=re.compile(rf"(embeddings\.)?position_ids|cls\.seq_relationship\..+|{OTHER_HEADS}"),
    transposed=re.compile(r"(?!)"),  # none: Linear's own layout
    embedding="word_embeddings.weight",
    renames=RENAMES,
    layers=r"layer\.\d+\.",
)
