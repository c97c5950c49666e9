"""What a run is made of, by its flags: the same functions begin a run and resume one."""

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
    """Prepare a model before a saved run's weights are loaded, or before it is trained: LoRA where asked for."""
    if asked.get("lora"):
        targets = asked.get("lora_targets")
        named = None if targets is None else [name.strip() for name in targets.split(",")]
        add_lora(model, asked["lora"], asked.get("lora_alpha"), named, asked["seed"])


def set_dropout(model: GPT2, share: float) -> None:
    """Change the dropout of an existing model: how much it needs depends on what it learns from."""
    model.config = replace(model.config, dropout=share)
    for part in model.modules():
        if isinstance(part, Dropout):
            part.p = share


def make_trainer(model: GPT2 | Llama, settings: TrainSettings, plain: bool, asked: Mapping[str, Any]) -> Trainer:
    """The trainer of a model whose weights are in place."""
    return Trainer(model, settings, plain, bool(asked.get("shard")))


def make_texts(train: str, validation: str, tokenizer: Tokenizer, asked: Mapping[str, Any]) -> Texts:  # noqa: ARG001
    """The texts to train on and to validate on, encoded."""
    return Texts.of(train, validation, tokenizer)
