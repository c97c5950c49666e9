"""minigpt.llama against transformers' Llama, Qwen2 and Qwen3 on random weights: shapes, types, caches, batches."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from minigpt.fast.choose import fast_form
from minigpt.models.cache import KVCache
from minigpt.models.llama import Llama

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
SHAPES = (
    "llama grouped",
    "llama plain heads, tied",
    "llama one key head, slow rotation",
    "llama smollm2-like",
    "llama odd sizes",
    "qwen2 grouped, biases",
    "qwen2 plain heads, biases, tied",
    "qwen3 head_dim of its own",
    "qwen3 wide heads, tied",
    "qwen3 fast rotation",
)
Twins = Callable[..., tuple[Llama, Any]]


def random_ids(model: Llama, n_rows: int = 2, n_tokens: int = 17) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(model.config.vocab_size, (n_rows, n_tokens), generator=generator)


def distance(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    return (a - b).abs().max().item()


@pytest.fixture(autouse=True)
def _no_grad() -> Any:
    with torch.no_grad():
        yield


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_and_every_hidden_state(llama_twins: Twins, shape: str, dtype: torch.dtype) -> None:
    ours, reference = llama_twins(shape, dtype)
    ids = random_ids(ours)
    stream: list[Tensor] = []
    for block in ours.layers:
        block.register_forward_hook(lambda *call: stream.append(call[2]))
    logits = ours(ids)
    expected = reference(ids, output_hidden_states=True)
    assert len(expected.hidden_states) == ours.config.n_layer + 1
    for ours_after, theirs in zip(stream[:-1], expected.hidden_states[1:-1], strict=True):
        assert distance(ours_after, theirs) < TOLERANCE[dtype]
    assert distance(ours.hidden(ids), expected.hidden_states[-1]) < TOLERANCE[dtype]
    assert distance(logits, expected.logits) < TOLERANCE[dtype]
    assert logits.std() > 0.5  # large enough that an error would show


@pytest.mark.parametrize("shape", ["llama grouped", "qwen2 grouped, biases", "qwen3 head_dim of its own"])
@pytest.mark.parametrize("cuts", [(1,) * 17, (16, 1), (1, 16), (5, 7, 5), (17,)])
def test_cached_equals_uncached(llama_twins: Twins, shape: str, cuts: tuple[int, ...]) -> None:
    ours, _ = llama_twins(shape, torch.float64)
    ids = random_ids(ours)
    cache = KVCache(ours.config, n_rows=2, n_slots=20, dtype=torch.float64)
    pieces, start = [], 0
    for n in cuts:
        pos = torch.arange(start, start + n).expand(2, n)
        pieces.append(ours(ids[:, start : start + n], pos, cache))
        start += n
    assert distance(torch.cat(pieces, dim=1), ours(ids)) < 1e-8


@pytest.mark.parametrize("shape", ["llama grouped", "qwen2 grouped, biases", "qwen3 head_dim of its own"])
def test_ragged_rows_equal_solo_runs(llama_twins: Twins, shape: str) -> None:
    ours, _ = llama_twins(shape, torch.float64)
    ids, lengths = random_ids(ours, n_rows=3), torch.tensor([3, 17, 9])
    cache = KVCache(ours.config, n_rows=3, n_slots=20, dtype=torch.float64)
    pos = torch.arange(17).expand(3, 17)
    batch = ours(ids, pos, cache)  # the pads stand on the right: no row sees its own
    more = ours(ids[:, :1], lengths[:, None], cache)  # each row's next token, where that row ends
    for row, n in enumerate(lengths.tolist()):
        assert distance(batch[row, :n], ours(ids[row : row + 1, :n])[0]) < 1e-8
        solo = torch.cat([ids[row, :n], ids[row, :1]])[None]
        assert distance(more[row, 0], ours(solo)[0, -1]) < 1e-8


def test_positions_far_out_turn_as_in_transformers(llama_twins: Twins) -> None:
    ours, reference = llama_twins("qwen2 grouped, biases", torch.float64)
    ids = random_ids(ours, n_rows=1)
    pos = torch.arange(32000, 32017)[None]
    assert distance(ours(ids, pos), reference(ids, position_ids=pos).logits) < 1e-8


def test_bfloat16_follows_transformers(llama_twins: Twins) -> None:
    ours, reference = llama_twins("qwen3 head_dim of its own", torch.bfloat16)
    ids = random_ids(ours)
    assert distance(ours(ids), reference(ids).logits) < 0.1  # logits about 3 wide, steps of 2^-7


def test_the_fast_form_equals_the_plain_one(llama_twins: Twins) -> None:
    ours, _ = llama_twins("llama grouped", torch.float64)
    ids = random_ids(ours)
    fast = fast_form(ours)
    assert fast is not ours
    assert distance(ours(ids), fast(ids)) < 1e-6  # norms and angles are float32 in both


def test_too_many_tokens_are_refused(llama_twins: Twins) -> None:
    ours, _ = llama_twins("llama grouped")
    with pytest.raises(ValueError, match=r"^65 tokens exceed the model's 64 positions \(n_ctx\)$"):
        ours(torch.zeros(1, 65, dtype=torch.int64))
