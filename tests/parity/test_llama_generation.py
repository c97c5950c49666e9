"""Llama and Qwen3, loaded from folders that transformers saved: greedy and beam text, ragged batches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import minigpt

SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama grouped": ("llama", {}),
    "llama tied, own theta": (
        "llama",
        {"tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0}},
    ),
    "qwen3 grouped": ("qwen3", {}),
    "qwen3 tied, wide heads": ("qwen3", {"head_dim": 16, "num_key_value_heads": 2, "tie_word_embeddings": True}),
}
PROMPTS = [[5, 17, 80, 3], [9], [40, 2, 66, 7, 7, 12, 31, 99, 54]]


@pytest.fixture(params=SHAPES)
def pair(
    request: pytest.FixtureRequest, random_reference: Callable[..., Any], random_checkpoint: Callable[..., Path]
) -> tuple[Any, Any]:
    """The model that `minigpt.load` makes of a folder, and transformers' own."""
    family, sizes = SHAPES[request.param]
    reference = random_reference(family, seed=2, **sizes)
    reference.generation_config.eos_token_id = None
    return minigpt.load(str(random_checkpoint(family, seed=2, **sizes)), device="cpu").model, reference


def theirs(reference: Any, ids: list[int], **settings: Any) -> list[int]:
    rows = torch.tensor([ids])
    with torch.inference_mode():
        found = reference.generate(rows, attention_mask=torch.ones_like(rows), pad_token_id=0, **settings)
    return found[0, len(ids) :].tolist()


def test_greedy_text_is_transformers(pair: tuple[Any, Any]) -> None:
    ours, reference = pair
    expected = [theirs(reference, ids, max_new_tokens=40, do_sample=False) for ids in PROMPTS]
    assert [minigpt.generate(ours, ids, max_new_tokens=40) for ids in PROMPTS] == expected
    assert minigpt.generate(ours, PROMPTS, max_new_tokens=40) == expected  # one ragged batch


@pytest.mark.parametrize("num_beams", [2, 4])
def test_beam_text_is_transformers(pair: tuple[Any, Any], num_beams: int) -> None:
    ours, reference = pair
    settings = {"max_new_tokens": 20, "num_beams": num_beams, "length_penalty": 1.0}
    expected = [theirs(reference, ids, do_sample=False, **settings) for ids in PROMPTS]
    assert minigpt.generate(ours, PROMPTS, **settings) == expected
