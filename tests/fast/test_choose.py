"""The fast form of a model: the same numbers as the plain one, and what happens where they would not be the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from minigpt.fast import choose, fused
from minigpt.fast.choose import fast_form
from minigpt.fast.compared import say_once
from minigpt.models import attention, gpt2, llama
from minigpt.models.attention import Attention
from minigpt.models.cache import KVCache
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.layers import LayerNorm, Linear
from weights import load_checkpoint

FAMILIES = ("gpt2", "llama", "qwen2", "qwen3")


@pytest.fixture(autouse=True)
def fresh() -> None:
    say_once.cache_clear()


@pytest.fixture
def model(random_checkpoint: Callable[..., Path]) -> Callable[..., Any]:
    return lambda family="gpt2", dtype="float32": load_checkpoint(random_checkpoint(family), "cpu", dtype).model


def ids_for(model: Any, n: int = 20) -> Tensor:
    return torch.randint(model.config.vocab_size, (3, n), generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def logits(model: Any, cached: bool) -> Tensor:
    """Logits of a few texts: at once, or the first part into a cache and the rest token by token."""
    ids = ids_for(model)
    if not cached:
        return model(ids)
    cache = KVCache(model.config, 3, 20, dtype=next(model.parameters()).dtype)
    found = [model(ids[:, :11], cache=cache.first(11))]
    for i in range(11, 20):
        found.append(model(ids[:, i : i + 1], torch.full((3, 1), i), cache.first(i + 1)))
    return torch.cat(found, dim=1)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-6), ("bfloat16", 0.3)])
def test_the_fast_form_gives_the_plain_forms_logits(
    model: Any, family: str, cached: bool, dtype: str, tolerance: float
) -> None:
    plain = model(family, dtype)
    fast = fast_form(plain)
    assert isinstance(fast, type(plain))
    assert fast is not plain
    kinds = {type(part) for part in fast.modules()}
    assert fused.FusedAttention in kinds
    assert not kinds & set(fused.FUSED)  # nothing that has a fast form was left
    assert fast_form(plain) is fast  # made once
    assert (logits(plain, cached) - logits(fast, cached)).abs().max() < tolerance


def test_parameters_are_shared_and_training_trains_both(model: Any) -> None:
    plain = model()
    fast = fast_form(plain)
    assert [id(p) for p in plain.parameters()] == [id(p) for p in fast.parameters()]
    nn.functional.cross_entropy(fast(ids_for(plain)).flatten(0, 1), ids_for(plain).flatten()).backward()
    by_fast = [p.grad.clone() for p in plain.parameters()]
    plain.zero_grad()
    nn.functional.cross_entropy(plain(ids_for(plain)).flatten(0, 1), ids_for(plain).flatten()).backward()
    for one, parameter in zip(by_fast, plain.parameters(), strict=True):
        assert torch.allclose(one, parameter.grad, rtol=1e-3, atol=1e-5)
    plain.h[0].attn.c_attn.weight = nn.Parameter(torch.zeros_like(plain.h[0].attn.c_attn.weight))
    assert (logits(plain, False) - logits(fast_form(plain), False)).abs().max() < 2e-5


def test_plain_is_the_model_itself_and_so_is_a_model_of_another_kind(model: Any) -> None:
    plain = model()
    assert fast_form(plain, plain=True) is plain

    class Other(GPT2):
        pass

    other = Other(GPT2Config(vocab_size=9, n_ctx=8, n_layer=1, n_head=1, n_embd=4))
    assert fast_form(other) is other


def shifted(kind: type[nn.Module]) -> Callable[..., Tensor]:
    right = kind.forward
    return lambda self, *args, **more: right(self, *args, **more) * 1.001


@pytest.mark.parametrize("family", ["gpt2", "qwen3"])
@pytest.mark.parametrize("kind", list(fused.FUSED.values()), ids=lambda kind: kind.__name__)
def test_a_fault_in_a_fast_part_is_seen_when_it_is_made(
    model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], family: str, kind: Any
) -> None:
    plain = model(family)
    used = kind in {type(part) for part in fast_form(plain).modules()}
    monkeypatch.setattr(kind, "forward", shifted(kind))
    choose._chosen.clear()
    assert (fast_form(plain) is plain) == used
    assert fast_form(plain, plain=False) is fast_form(plain)  # asked again: nothing new is said
    err = capsys.readouterr().err
    assert err.count("\n") == used
    assert ("minigpt/fast differs from minigpt/models" in err) == used


def without(text: str, old: str, new: str) -> Callable[..., Any]:
    """A function of the path with one thing changed in its source."""
    import inspect
    import sys

    name, _, attribute = text.partition(":")
    module = sys.modules[name]
    source = inspect.getsource(module)
    assert source.count(old) >= 1, old
    space: dict[str, Any] = {"__name__": name}
    exec(compile(source.replace(old, new), name, "exec"), space)
    return space[attribute.split(".")[0]]


@pytest.mark.parametrize(
    ("place", "old", "new", "target"),
    [
        ("minigpt.models.layers:gelu", "0.044715", "0.044716", (gpt2, "gelu")),
        ("minigpt.models.layers:softmax", "sum(dim=-1", "sum(dim=-2", (attention, "softmax")),
        ("minigpt.models.llama:silu", "torch.sigmoid(x)", "torch.sigmoid(1.001 * x)", (llama, "silu")),
    ],
)  # fmt: skip
def test_a_changed_function_of_the_path_is_what_runs(
    model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    place: str, old: str, new: str, target: Any,
) -> None:  # fmt: skip
    plain = model("llama" if "llama" in place else "gpt2")
    assert fast_form(plain) is not plain
    monkeypatch.setattr(*target, without(place, old, new))
    assert fast_form(plain) is plain
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (Attention, "/ math.sqrt(q.shape[-1])", ""),
        (Attention, ".tril()", ".tril(1)"),
        (Attention, "masked_fill(~mask, -math.inf)", "masked_fill(~mask, -10.0)"),
        (LayerNorm, " + self.eps", ""),
        (LayerNorm, "+ self.bias", "- self.bias"),
        (Linear, "y + self.bias", "y"),
        (gpt2.MLP, "gelu(self.c_fc(x))", "self.c_fc(x)"),
    ],
)
def test_a_changed_class_of_the_path_is_what_runs(
    model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: Any, old: str, new: str
) -> None:
    plain = model()
    assert fast_form(plain) is not plain
    changed: Any = without(f"{kind.__module__}:{kind.__name__}", old, new)
    monkeypatch.setattr(kind, "forward", changed.forward)
    assert fast_form(plain) is plain
    assert capsys.readouterr().err.count("\n") == 1


def test_what_blocks_and_models_do_is_the_plain_code_itself(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Residuals, norms' places, positions: the fast form has no second copy of these."""
    plain = model()
    before = logits(fast_form(plain), True)
    monkeypatch.setattr(gpt2.Block, "forward", lambda self, x, kv=None: self.mlp(self.ln_2(x + self.attn(x, kv))))
    after = logits(fast_form(plain), True)
    assert fast_form(plain) is not plain
    assert (after - before).abs().max() > 0.1
    assert (after - logits(plain, True)).abs().max() < 2e-5


def test_a_part_of_ones_own_runs(model: Any) -> None:
    """Who puts a module of his own into the tree sees it in the fast form, too."""
    plain = model()
    before = logits(fast_form(plain), False)

    class Silent(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros_like(x)

    plain.h[1].mlp = Silent()
    after = logits(fast_form(plain), False)
    assert (after - before).abs().max() > 0.01
    assert (after - logits(plain, False)).abs().max() < 2e-5


def test_a_part_is_known_by_itself_and_not_by_where_it_lay_in_memory(model: Any) -> None:
    """One after another, parts of one class with other numbers: the old one's memory may be the new one's."""
    plain = model()
    for seed in range(12):
        torch.manual_seed(seed)
        plain.h[1].mlp = gpt2.MLP(plain.config)
        for parameter in plain.h[1].mlp.parameters():
            nn.init.normal_(parameter)
        assert (logits(fast_form(plain), False) - logits(plain, False)).abs().max() < 1e-3


def test_the_plain_model_serves_while_someone_looks_inside(model: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plain = model()
    assert fast_form(plain) is not plain
    seen: list[Tensor] = []
    hook = plain.h[0].attn.attention.softmax.register_forward_hook(lambda _, __, out: seen.append(out))
    logits(fast_form(plain), False)
    assert seen[0].shape == (3, 3, 20, 20)
    assert torch.allclose(seen[0].sum(-1), torch.ones(3, 3, 20))
    assert torch.equal(seen[0].triu(1), torch.zeros(3, 3, 20, 20))
    hook.remove()
    assert fast_form(plain) is not plain
    assert not capsys.readouterr().err


def test_a_kernel_that_is_wrong_on_this_device_only_is_seen_on_the_models_own_numbers(
    model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = fused.FusedLayerNorm.forward

    def garbage_in_float32(self: Any, x: Tensor) -> Tensor:
        return right(self, x) + (x.dtype == torch.float32)

    plain = model()
    monkeypatch.setattr(fused.FusedLayerNorm, "forward", garbage_in_float32)
    assert fast_form(plain) is plain
    assert "in the first block" in capsys.readouterr().err


def test_a_device_without_float64_can_be_compared() -> None:
    """As Apple's MPS: what lies there goes to the CPU before it is widened."""

    class OnMps:
        def __init__(self, values: Tensor) -> None:
            self.values = values

        def cpu(self) -> Tensor:
            return self.values

    one, other = (OnMps(torch.tensor([0.5, value])) for value in (2.0, 2.5))
    assert choose.difference(one, other) == 0.25  # type: ignore[arg-type]


def test_a_training_step_in_bfloat16_gets_it_too(model: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plain = model()
    capsys.readouterr()  # what transformers said as it wrote the checkpoint
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert fast_form(plain) is not plain
    assert not capsys.readouterr().err


def test_making_it_leaves_the_callers_random_numbers_alone(model: Any) -> None:
    plain = model()
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    fast_form(plain)
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_forgotten_model_is_not_kept(model: Any) -> None:
    import gc
    import weakref

    plain = model()
    fast_form(plain)
    gone = weakref.ref(plain)
    del plain
    gc.collect()
    assert gone() is None
