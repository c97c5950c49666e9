"""The decode step in C: the plain model's numbers in every family and dtype, or PyTorch's kernels."""

import copy
import math
from collections.abc import Callable, Iterator
from ctypes import byref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import minigpt
from minigpt.fast import choose, compiler, fused, native
from minigpt.fast.choose import fast_form
from minigpt.fast.compared import say_once
from minigpt.fast.int8 import Int8Linear, quantized
from minigpt.fast.structures import c_linear
from minigpt.generation.decoding import new_cache
from minigpt.generation.generate import generate
from minigpt.generation.sequences import TokenSequence
from minigpt.models import cache as caches
from minigpt.models.cache import KVCache
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from tests.fast.faults import plant
from weights import load_checkpoint

STORY = "Once upon a time there was an old woman who lived in a little house at the edge of a dark forest. " * 13

FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "gpt2 by layer": {"scale_attn_by_inverse_layer_idx": True, "tie_word_embeddings": False},
    "llama": {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": False},
    "qwen2": {},
    "qwen3": {"tie_word_embeddings": True},
    "mistral": {"sliding_window": 5},
}
compiled = pytest.mark.skipif(native.code() is None, reason="no C compiler on this machine")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing chosen or said in one test is known to the next."""
    say_once.cache_clear()
    yield
    choose._chosen.clear()


@pytest.fixture
def model(random_checkpoint: Callable[..., Path]) -> Callable[..., Any]:
    def load(family: str = "gpt2", dtype: str = "float32") -> Any:
        folder = random_checkpoint(family.split()[0], **FAMILIES[family])
        made = load_checkpoint(folder, "cpu", "float32" if dtype == "int8" else dtype).model
        return quantized(made) if dtype == "int8" else made

    return load


def ids_for(n_rows: int, n: int = 46) -> Tensor:
    return torch.randint(101, (n_rows, n), generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def stepwise(model: Any, ids: Tensor, prompts: list[int], n_new: int = 4) -> Tensor:
    """Logits of texts of several lengths in one batch: the prompts padded into a cache, then token by token."""
    cache = KVCache(model.config, len(ids), 8, dtype=next(model.parameters()).dtype)
    x = model.hidden(ids[:, : max(prompts)], cache=cache.first(max(prompts)))
    rows = torch.arange(len(ids))
    found = [model.unembed(x[rows, torch.tensor(prompts) - 1])[:, None]]
    for i in range(n_new):
        pos = torch.tensor(prompts)[:, None] + i
        x = model.hidden(ids.gather(1, pos), pos, cache.first(max(prompts) + i + 1))
        found.append(model.unembed(x))
    return torch.cat(found, dim=1).float()


@compiled
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("float16", 2e-2), ("bfloat16", 0.1), ("int8", 1e-5)]
)
def test_it_gives_the_plain_forms_logits(
    model: Any, family: str, dtype: str, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few tokens and many, one text and several of different lengths; relative to the largest logit."""
    monkeypatch.setattr(fused, "multiplies_bfloat16", lambda: False)
    plain = model(family, dtype)
    fast = fast_form(plain)
    assert isinstance(fast, native.Native)
    for prompts in ([3], [1, 9, 4], [42, 40, 3]):
        one, other = (stepwise(form, ids_for(len(prompts)), prompts) for form in (plain, fast))
        assert (one - other).abs().max() < tolerance * one.abs().max()


@compiled
def test_halves_are_nearer_to_float32_than_the_plain_form(model: Any) -> None:
    """All its arithmetic is float32; only the weights and the cache are halves."""
    right = stepwise(model("llama"), ids_for(3), [9, 9, 9])
    for dtype in ("float16", "bfloat16"):
        plain = model("llama", dtype)
        own, fast = (stepwise(form, ids_for(3), [9, 9, 9]) for form in (plain, fast_form(plain)))
        assert (fast - right).square().mean() < (own - right).square().mean()
        same_weights = stepwise(copy.deepcopy(plain).float(), ids_for(3), [9, 9, 9])
        assert (fast - same_weights).abs().max() < 2e-2 * same_weights.abs().max()


@compiled
@settings(max_examples=150)
@given(
    n=st.integers(1, 40), n_in=st.integers(1, 90) | st.integers(380, 800), n_out=st.integers(1, 1700),
    by_input=st.booleans(), dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    bias=st.booleans(), threads=st.integers(1, 3),
)  # fmt: skip
def test_products_of_every_size_lie_and_type(
    n: int, n_in: int, n_out: int, by_input: bool, dtype: torch.dtype, bias: bool, threads: int
) -> None:
    """For any number of tokens: rows and columns that are left over, several threads, both ways a matrix may lie."""
    generator = torch.Generator().manual_seed(n_out)
    x, weight, shift = (torch.randn(shape, generator=generator) for shape in ((n, n_in), (n_out, n_in), (n_out,)))
    weight = weight.to(dtype)
    right = x.double() @ weight.double().T + (shift.to(dtype).double() if bias else 0)
    lies = weight.T.contiguous().T if by_input else weight
    part = SimpleNamespace(weight=lies, bias=shift.to(dtype) if bias else None)
    found = torch.full((n, n_out), math.nan)
    assert native.code().unembed(byref(c_linear(part)), x.data_ptr(), found.data_ptr(), n, threads) == 0
    assert (found - right).abs().max() < 1e-5 * (n_in + right.abs().max())


@compiled
def test_where_there_is_no_memory_it_says_so(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fast: Any = fast_form(model())
    refusing = SimpleNamespace(hidden=lambda *_: native.NO_MEMORY, unembed=lambda *_: native.NO_MEMORY)
    monkeypatch.setattr(fast, "code", refusing)
    with torch.no_grad(), pytest.raises(MemoryError, match="3 tokens at once: give fewer texts"):
        fast.hidden(torch.tensor([[1], [2], [3]]), cache=KVCache(fast.config, 3, 4))
    with torch.no_grad(), pytest.raises(MemoryError, match="3 tokens at once: give fewer texts"):
        fast.unembed(torch.zeros(3, fast.config.n_embd))


@compiled
def test_two_threads_give_what_one_gives() -> None:
    torch.manual_seed(0)
    plain = GPT2(GPT2Config(vocab_size=1009, n_ctx=64, n_layer=2, n_head=3, n_embd=180)).eval()
    for parameter in plain.parameters():
        nn.init.normal_(parameter, std=0.3)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(stepwise(fast_form(plain), ids_for(3), [20, 9, 4]))
    finally:
        torch.set_num_threads(before)
    assert (found[0] - found[1]).abs().max() < 1e-4
    assert (found[0] - found[2]).abs().max() < 1e-4


@compiled
def test_what_is_trained_or_loaded_or_put_there_later_counts(model: Any) -> None:
    plain = model()
    fast, ids = fast_form(plain), ids_for(3)
    before = stepwise(fast, ids, [5, 5, 5])
    nn.functional.cross_entropy(fast(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).backward()
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter -= 0.1 * parameter.grad
    trained = stepwise(fast, ids, [5, 5, 5])
    assert (trained - before).abs().max() > 1e-3
    assert (trained - stepwise(plain, ids, [5, 5, 5])).abs().max() < 2e-5
    plain.load_state_dict({name: 0.5 * value for name, value in plain.state_dict().items()})
    assert (stepwise(fast, ids, [5, 5, 5]) - stepwise(plain, ids, [5, 5, 5])).abs().max() < 2e-5
    plain.h[1].mlp.c_fc.weight = nn.Parameter(torch.zeros_like(plain.h[1].mlp.c_fc.weight))
    assert (stepwise(fast, ids, [5, 5, 5]) - stepwise(plain, ids, [5, 5, 5])).abs().max() < 2e-5


@compiled
def test_positions_outside_the_cache_are_refused(model: Any) -> None:
    fast = fast_form(model())
    cache = KVCache(fast.config, 1, 4)
    with torch.no_grad():
        for pos in (4, -1):
            with pytest.raises(IndexError):
                fast.hidden(torch.tensor([[1]]), torch.tensor([[pos]]), cache)


FAULTS = [  # in native.c, the families that show it
    ("0.044715f", "0.05f", "gpt2"),
    ("1 + exponential(-u)", "1 + exponential(u)", "llama"),
    ("- k * 0.693359375f", "- k * 0.7f", "gpt2"),
    ("(x[i] - mean) * (x[i] - mean)", "x[i] * x[i]", "gpt2"),
    ("+ l->eps", "", "gpt2"),
    ("b * cos[i] + a * sin[i]", "b * cos[i] - a * sin[i]", "llama"),
    ("pos[t] - block->window + 1", "pos[t] - block->window", "mistral"),
    ("j / (H / HKV) * cache->head", "j % HKV * cache->head", "llama"),
    ("first, pos[t], D", "first, pos[0], D", "gpt2"),
    ("pos[t] * cache->slot) * size", "pos[0] * cache->slot) * size", "gpt2"),
    ("w0[j] + a[1]", "w0[j] + a[0]", "gpt2"),
    ("x[t * n_in + k] * right", "x[t * n_in + k] * left", "gpt2"),
    ("x[t * l->n_in + i + k * part] : 0", "x[i + k * part] : 0", "gpt2"),
    ("left -= few, x += few * n_in, y", "left -= few, y", "gpt2"),
    ("LANES + (i) : (i) + (step)", "LANES + (i) : (i)", "gpt2"),
    ("block[k + row] + o", "block[k + row]", "llama"),
    ("block[k] + LANES, &right", "block[k] + LANES, &left", "gpt2"),
    ("block[k][o + row] =", "block[k][o] =", "llama"),
    ("i < last; i += DEEP", "i < last - DEEP; i += DEEP", "gpt2"),
]


@compiled
@pytest.mark.parametrize(("old", "new", "family"), FAULTS, ids=[old for old, *_ in FAULTS])
def test_a_fault_in_the_c_code_is_seen_when_the_form_is_made(
    model: Any, family: str, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(compiler, "FLAGS", ("-O1", "-fPIC", "-shared"))  # sooner compiled, and other machines' branches
    plant(native, old, new, tmp_path, monkeypatch)
    plain = model(family)
    fast = fast_form(plain)
    assert type(fast) is type(plain)
    assert fast is not plain
    assert "native.c differs from minigpt/models" in capsys.readouterr().err
    assert (stepwise(fast, ids_for(1), [7]) - stepwise(plain, ids_for(1), [7])).abs().max() < 2e-5


def code_of(source: Path) -> Callable[[], Any]:
    found = native.declared(compiler.library.__wrapped__(source))
    return lambda: found


@compiled
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_what_it_does_on_a_machine_without_these_instructions(
    model: Any, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIGPT_CACHE", str(tmp_path))
    monkeypatch.setattr(compiler, "FLAGS", ("-O1", "-fPIC", "-shared"))
    monkeypatch.setattr(native, "code", code_of(Path(native.__file__).with_name("native.c")))
    plain = model("qwen3", dtype)
    assert isinstance(fast_form(plain), native.Native)
    one, other = (stepwise(form, ids_for(3), [9, 2, 5]) for form in (plain, fast_form(plain)))
    assert (one - other).abs().max() < 0.1 * one.abs().max()


@pytest.mark.parametrize("why", ["no compiler", "a broken compiler", "no folder", "a damaged file"])
def test_without_compiled_code_pytorch_does_it(
    model: Any, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINIGPT_CACHE", str(tmp_path / "file" if why == "no folder" else tmp_path))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CC", {"no compiler": "/nowhere/cc", "a broken compiler": "false"}.get(why, "cc"))
    if why == "a damaged file":
        monkeypatch.setattr(compiler, "build", lambda *args: args[-1].write_bytes(b"no library"))
    assert compiler.library.__wrapped__(Path(native.__file__).with_name("native.c")) is None
    monkeypatch.setattr(native, "code", lambda: None)
    plain = model()
    fast = fast_form(plain)
    assert type(fast) is type(plain)
    assert fast is not plain
    assert (stepwise(fast, ids_for(1), [7]) - stepwise(plain, ids_for(1), [7])).abs().max() < 2e-5
    assert not capsys.readouterr().err


@compiled
def test_it_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGPT_CACHE", str(tmp_path))
    (tmp_path / "one.c").write_text("int one(void) { return 1; }")
    for _ in range(2):
        found = compiler.library.__wrapped__(tmp_path / "one.c")
        assert found is not None
        assert found.one() == 1
        monkeypatch.setattr(compiler, "build", lambda *_: pytest.fail("compiled again"))
    assert len(list((tmp_path / "compiled").iterdir())) == 1


def test_int8_rounds_to_the_nearest_of_255_values_a_row(model: Any) -> None:
    plain, rounded = model(), model(dtype="int8")
    one, other = plain.h[0].mlp.c_fc.weight, rounded.h[0].mlp.c_fc
    assert isinstance(other, Int8Linear)
    assert ((one - other.weight).abs() <= other.scale[:, None] * 0.5001).all()
    assert torch.equal(other.values.abs().amax(dim=1), torch.full((144,), 127, dtype=torch.int8))
    assert next(rounded.parameters()).dtype == torch.float32
    assert generate(rounded, [1, 2], max_new_tokens=5) == generate(rounded, [1, 2], max_new_tokens=5, plain=True)


def test_many_rows_of_int8_are_multiplied_in_bfloat16_where_a_processor_can(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, ids = model("llama", "int8"), ids_for(8)
    monkeypatch.setattr(choose, "multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(fused, "multiplies_bfloat16", lambda: True)
    right, found = (stepwise(form, ids, [42] * 8) for form in (plain, fast_form(plain)))
    assert 1e-4 < (found - right).abs().max() / right.abs().max() < 2e-2
    few = [stepwise(form, ids[:1, :8], [2]) for form in (plain, fast_form(plain))]
    assert (few[0] - few[1]).abs().max() < 1e-5 * right.abs().max()
    lm = minigpt.load("storyteller", dtype="int8")
    prompt = lm.tokenizer.encode(STORY)
    assert len(prompt) > 256
    assert generate(lm.model, prompt, max_new_tokens=200) == generate(lm.model, prompt, max_new_tokens=200, plain=True)


def test_the_cache_grows_with_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    model = GPT2(GPT2Config(vocab_size=31, n_ctx=64, n_layer=2, n_head=2, n_embd=8)).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    sequences = [TokenSequence([1] * n, n, limit=60) for n in (2, 5)]
    assert new_cache(model, sequences).k.shape[3] == 5  # and not 64
    whole = generate(model, [[1, 2], [3, 4, 5]], max_new_tokens=40)
    monkeypatch.setattr(caches, "STEP", 3)
    assert generate(model, [[1, 2], [3, 4, 5]], max_new_tokens=40) == whole
    assert generate(model, [1, 2], max_new_tokens=40, num_beams=3)


@compiled
def test_the_embedded_model_tells_the_same_story_in_every_dtype_that_keeps_it() -> None:
    """The plain bfloat16 form leaves float32's text after 66 tokens; this one, all float32 inside, keeps it."""
    texts = []
    for dtype in ("float32", "float16", "bfloat16"):
        found = load_checkpoint("storyteller", "cpu", dtype)
        assert found.tokenizer is not None
        ids = found.tokenizer.encode("Once upon a time there was a little")
        texts.append(generate(found.model, ids, max_new_tokens=200))
        if dtype == "float32":
            texts.append(generate(found.model, ids, max_new_tokens=200, plain=True))
    assert texts == [texts[0]] * 4
