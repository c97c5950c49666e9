"""What a run is made of, by its flags: the same functions begin a run and go on with one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from minigpt.models.gpt2 import GPT2
from minigpt.models.layers import Dropout
from minigpt.models.llama import Llama
from minigpt.train.data import Texts
from minigpt.train.lora import add_lora
from minigpt.train.step import TrainSettings
from minigpt.train.trainer import Trainer
from tokenizer import Tokenizer


def prepare(model: GPT2 | Llama, asked: Mapping[str, Any]) -> None:
    """What a model is given before the weights of a saved run are, or before it is trained: LoRA where asked for."""
    if asked.get("lora"):
        targets = asked.get("lora_targets")
        named = None if targets is None else [name.strip() for name in targets.split(",")]
        add_lora(model, asked["lora"], asked.get("lora_alpha"), named, asked["seed"])


def set_dropout(model: GPT2, share: float) -> None:
    """Another dropout for a model that is there already: how much it needs depends on what it learns from."""
    model.config = replace(model.config, dropout=share)
    for part in model.modules():
        if isinstance(part, Dropout):
            part.p = share


def make_trainer(model: GPT2 | Llama, settings: TrainSettings, plain: bool, asked: Mapping[str, Any]) -> Trainer:
    """The trainer of a model whose weights are in their places."""
    return Trainer(model, settings, plain, bool(asked.get("shard")))


def make_texts(train: str, validation: str, tokenizer: Tokenizer, asked: Mapping[str, Any]) -> Texts:  # noqa: ARG001
    """What is trained on and what is validated on, encoded."""
    return Texts.of(train, validation, tokenizer)
