"""The GPU's decode step, run on the CPU: the plain loop's tokens, whole under torch.compile, seen where it is wrong."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from minigpt.fast import gpu, graphs
from minigpt.fast.compared import say_once
from minigpt.fast.fused import fused
from minigpt.fast.graphs import Decoder, compiled
from minigpt.fast.step import WINDOW
from minigpt.generation.decoding import decode
from minigpt.generation.generate import generate
from minigpt.generation.sampling import sample
from minigpt.generation.sequences import TokenSequence, plan
from minigpt.generation.settings import Settings
from minigpt.models.gpt2 import GPT2, GPT2Config
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from tests import forked

RAGGED = [[1, 2, 3, 4, 5], [7], [9, 8]]


@pytest.fixture(autouse=True)
def small_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "SHORTEST", 8)
    say_once.cache_clear()


def as_it_is(run: Any, device: torch.device) -> Any:
    """A run that is no graph; `prepared` lets it run twice before it captures one, too."""
    assert device.type == "cpu"
    run()
    run()
    return run


def model_of(family: str, dtype: torch.dtype = torch.float32, n_layer: int = 2) -> Any:
    """A random model; the Llama has grouped queries and a sliding window in its first layer."""
    sizes: dict[str, Any] = {"vocab_size": 101, "n_ctx": 48, "n_layer": n_layer, "n_head": 6, "n_embd": 36}
    more: dict[str, Any] = {"n_kv_head": 3, "n_inner": 52, "window": 5, "sliding_layers": (0,)}
    made: Any = GPT2(GPT2Config(**sizes)) if family == "gpt2" else Llama(LlamaConfig(**sizes, **more))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=0.25, generator=generator)
    return made.to(dtype).eval()


def written(loop: Callable[..., Any], model: Any, prompts: list[list[int]], settings: Settings, *more: Any) -> Any:
    """The sequences that a loop makes, and after each of its steps which of them got a token."""
    sequences = plan(model, prompts, settings)
    got = [[sequences.index(s) for s in step] for step in loop(model, sequences, settings, sample, *more)]
    return sequences, got


def assert_same(one: list[TokenSequence], other: list[TokenSequence], tolerance: float = 1e-5) -> None:
    for a, b in zip(one, other, strict=True):
        assert a.ids == b.ids
        assert a.finish_reason == b.finish_reason
        assert a.logprobs == pytest.approx(b.logprobs, abs=tolerance)
        assert [[id for id, _ in best] for best in a.top_logprobs] == [
            [id for id, _ in best] for best in b.top_logprobs
        ]


SETTINGS = {
    "greedy": Settings(max_new_tokens=40),
    "top-p": Settings(max_new_tokens=40, temperature=0.9, top_p=0.9, seed=3, top_logprobs=3),
    "filters": Settings(max_new_tokens=20, temperature=0.9, top_k=20, min_p=0.01, repetition_penalty=1.5, seed=3),
    "copies": Settings(max_new_tokens=20, temperature=1.2, num_return_sequences=2, seed=4),
    "ends": Settings(max_new_tokens=40, temperature=1.5, eos_token_id=tuple(range(6)), seed=5),
    "one": Settings(max_new_tokens=1),
    "none": Settings(max_new_tokens=0),
}


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("prompts", [[[7, 6, 5, 4, 3, 2, 1]], RAGGED], ids=["one", "ragged"])  # 7 + 1 fill a bucket
@pytest.mark.parametrize("chosen", list(SETTINGS.values()), ids=list(SETTINGS))
def test_windows_of_steps_write_what_the_plain_loop_writes(
    family: str, prompts: list[list[int]], chosen: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over the borders of buckets, with ends inside a window, and each step's sequences are yielded alike."""
    plain = model_of(family)
    expected, steps = written(decode, plain, prompts, chosen)
    found, windows = written(gpu.decode, fused(plain), prompts, chosen, as_it_is)
    assert_same(expected, found)
    assert windows == steps
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("family", "backend"), [("gpt2", "eager"), ("llama", "aot_eager")])
def test_torch_compile_takes_the_step_whole(family: str, backend: str) -> None:
    """Without a break in the graph nothing depends on a value: no .item(), no branch, no wait for the host."""
    forked.call(compiled_step_writes_the_same, family, backend)


def compiled_step_writes_the_same(family: str, backend: str) -> None:
    plain = model_of(family, n_layer=1)
    more = {
        "max_new_tokens": 7,
        "repetition_penalty": 1.3,
        "eos_token_id": (1, 2),
    }  # past the slots of the first bucket
    chosen = Settings(**{**vars(SETTINGS["top-p"]), **more})
    expected, _ = written(decode, plain, RAGGED, chosen)
    found, _ = written(gpu.decode, fused(plain), RAGGED, chosen, lambda run, _: compiled(run, backend))
    assert_same(expected, found)


def test_a_long_text_that_has_ended_does_not_reach_beyond_the_others_bucket() -> None:
    texts, chosen = [], Settings(max_new_tokens=20)
    for loop, more in ((decode, ()), (gpu.decode, (as_it_is,))):
        model = fused(model_of("gpt2"))
        sequences = plan(model, [[5] * 20, [7]], chosen)
        sequences[0].limit = 1
        list(loop(model, sequences, chosen, sample, *more))
        texts.append([s.ids for s in sequences])
    assert texts[0] == texts[1]


class Operators(TorchDispatchMode):
    """Notes the names of all that PyTorch computes."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.__name__.split(".")[0])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("chosen", ["greedy", "top-p", "filters"])
def test_a_step_brings_nothing_to_the_host_and_nothing_from_it(family: str, chosen: str) -> None:
    """No graph can hold a value read (.item), a shape that depends on one, a tensor made of Python numbers."""
    operators = Operators()

    def watched(run: Any, _: torch.device) -> Any:
        with operators:
            run()
        return run

    written(gpu.decode, fused(model_of(family)), RAGGED, SETTINGS[chosen], watched)
    assert {"index_put_", "index_copy_"} <= operators.names
    assert not operators.names & {"_local_scalar_dense", "nonzero", "lift_fresh", "lift_fresh_copy", "is_nonzero"}


def test_float64_and_half_precision() -> None:
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.bfloat16, 0.3)):
        plain = model_of("gpt2", dtype)
        expected, _ = written(decode, fused(plain), [[1, 2, 3]], SETTINGS["top-p"])
        found, _ = written(gpu.decode, fused(plain), [[1, 2, 3]], SETTINGS["top-p"], as_it_is)
        if dtype == torch.float64:
            assert_same(expected, found, tolerance)
        assert len(found[0].new_ids) == 40


def test_the_host_looks_once_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """41 tokens: one of the prompt's logits; then windows that end after WINDOW steps or at a bucket's end."""
    monkeypatch.setattr(graphs, "SHORTEST", 32)
    lines: list[int] = []
    right = Decoder.window
    monkeypatch.setattr(Decoder, "window", lambda *given: lines.append(len(found := right(*given))) or found)
    written(gpu.decode, model_of("gpt2"), [[1, 2]], Settings(max_new_tokens=41), as_it_is)
    assert WINDOW == 16
    assert lines == [16, 14, 10]  # 2 + 1 + 16 tokens, then up to the 32 slots of the first bucket, then the rest


def test_what_lies_beyond_a_bucket_is_not_read() -> None:
    plain, seen = model_of("gpt2"), []
    twin = fused(plain)
    right = twin.h[0].attn.attention.forward
    twin.h[0].attn.attention.forward = lambda q, k, v, mask: seen.append(k.shape[2]) or right(q, k, v, mask)
    written(gpu.decode, twin, [[1, 2]], Settings(max_new_tokens=20), as_it_is)
    assert set(seen[1:]) >= {8, 16, 32}
    assert max(seen) == 32


def test_settings_that_need_the_host_or_a_sliding_window_keep_the_plain_loop() -> None:
    model = model_of("gpt2")
    for more in (
        {"no_repeat_ngram_size": 2}, {"suppress_tokens": (1,)}, {"sequence_bias": (((1,), 2.0),)},
        {"temperature": 1.0, "typical_p": 0.5}, {"context": "slide", "max_new_tokens": 60},
    ):  # fmt: skip
        chosen = Settings(**({"max_new_tokens": 5} | more))
        assert not gpu.can_run(model, plan(model, [[1]], chosen), chosen)
    for chosen in SETTINGS.values():
        assert gpu.can_run(model, plan(model, [[1]], chosen), chosen)


@pytest.mark.parametrize("fault", ["logits", "draw", "capture"])
@pytest.mark.parametrize("from_bucket", [8, 16])
def test_a_wrong_step_is_seen_and_the_plain_loop_goes_on(
    fault: str, from_bucket: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Be it the first step or that of a later bucket, in the middle of a text."""

    def prepare(run: Any, _: torch.device) -> Any:
        state, cache = run.args[1:3]
        if cache.k.shape[3] < from_bucket:
            return run
        if fault == "capture":
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

        def wrong() -> None:
            run()
            if fault == "logits":
                state.logits += 0.01 * state.logits.abs().amax()
            else:
                state.record[0][0] += 1

        return wrong

    plain, chosen = model_of("gpt2"), SETTINGS["ends"]
    expected, steps = written(decode, plain, RAGGED, chosen)
    twin = fused(plain)
    for _ in range(2):  # the second time nothing is tried, and nothing said
        found, windows = written(gpu.decode, twin, RAGGED, chosen, prepare)
        assert_same(expected, found)
        assert windows == steps
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("minigpt: minigpt/fast/step.py differs from minigpt/models")
    assert ("stream is capturing: the plain" in err) == (fault == "capture")


def test_damaged_weights_are_refused_as_everywhere() -> None:
    plain = model_of("gpt2")
    with torch.no_grad():
        plain.wpe.weight[20] = torch.nan
    texts = []
    for loop, more in ((decode, ()), (gpu.decode, (as_it_is,))):
        sequences = plan(plain, [[1, 2]], SETTINGS["greedy"])
        with pytest.raises(ValueError, match="nan instead of numbers"):
            list(loop(plain, sequences, SETTINGS["greedy"], sample, *more))
        texts.append(sequences[0].ids)
    assert texts[0] == texts[1]
    assert len(texts[0]) == 21
    with torch.no_grad():
        plain.wpe.weight[20] = 0.0  # mended: what the cache holds of last time is not seen
    expected, _ = written(decode, plain, [[1, 2]], SETTINGS["greedy"])
    assert_same(expected, written(gpu.decode, plain, [[1, 2]], SETTINGS["greedy"], as_it_is)[0])


def test_a_decoder_is_kept_for_the_next_text_of_its_kind_and_never_shared() -> None:
    plain, chosen, made = model_of("gpt2"), Settings(**{**vars(SETTINGS["top-p"]), "repetition_penalty": 1.5}), []

    def prepare(run: Any, _: torch.device) -> Any:
        made.append(run)
        return run

    twin = fused(plain)
    first, _ = written(gpu.decode, twin, [[1, 2]], chosen, prepare)
    n = len(made)
    again, _ = written(gpu.decode, twin, [[1, 2]], Settings(**{**vars(chosen), "seed": 8}), prepare)
    assert len(made) == n
    assert again[0].ids != first[0].ids
    loops = []
    for prompt in ([1, 2], [3, 4]):
        sequences = plan(twin, [prompt], chosen)
        loops.append((sequences, gpu.decode(twin, sequences, chosen, sample, prepare)))
    for _ in range(41):  # to the end, which gives the decoders back
        for _, loop in loops:
            next(loop, None)
    for (sequences, _), prompt in zip(loops, ([1, 2], [3, 4]), strict=True):
        assert_same(written(decode, plain, [prompt], chosen)[0], sequences)
    for more in ({"temperature": 0.5}, {"top_logprobs": 0}, {"max_new_tokens": 5}):
        before = len(made)
        written(gpu.decode, twin, [[1, 2]], Settings(**{**vars(chosen), **more}), prepare)
        assert len(made) > before
    before = len(made)
    plain.h[0].ln_1.weight = twin.h[0].ln_1.weight = torch.nn.Parameter(torch.zeros(36))
    found, _ = written(gpu.decode, twin, [[1, 2]], Settings(**{**vars(chosen), "max_new_tokens": 5}), prepare)
    assert len(made) > before
    assert_same(written(decode, plain, [[1, 2]], Settings(**{**vars(chosen), "max_new_tokens": 5}))[0], found)


def test_a_model_with_a_decoder_is_forgotten() -> None:
    import gc
    import weakref

    twin = fused(model_of("gpt2"))
    written(gpu.decode, twin, [[1, 2]], SETTINGS["greedy"], as_it_is)
    gone = weakref.ref(twin)
    del twin
    gc.collect()
    assert gone() is None


def test_generate_takes_it_on_cuda_and_never_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    model, taken = model_of("gpt2"), []
    right = gpu.decode
    monkeypatch.setattr(gpu, "decode", lambda *given: taken.append(True) or right(*given, as_it_is))
    more: dict[str, Any] = {"max_new_tokens": 9, "temperature": 1.0, "seed": 1}
    expected = generate(model, [1, 2, 3], **more)
    assert not taken
    monkeypatch.setattr("minigpt.generation.generate.device_of", lambda _: torch.device("cuda"))
    assert generate(model, [1, 2, 3], **more) == expected
    assert len(taken) == 1
    generate(model, [1, 2, 3], max_new_tokens=9, plain=True)
    generate(model, [1, 2, 3], max_new_tokens=9, no_repeat_ngram_size=2)
    generate(model, [1, 2, 3], max_new_tokens=9, num_beams=2)
    hook = model.h[0].register_forward_hook(lambda *_: None)  # which no replayed graph would call
    generate(model, [1, 2, 3], max_new_tokens=9)
    hook.remove()
    assert len(taken) == 1


def test_without_cuda_nothing_of_it_is_imported() -> None:
    code = "import sys, minigpt; minigpt.load('storyteller', device='cpu').generate('a', max_new_tokens=2); "
    code += "print([m for m in sys.modules if m in ('minigpt.fast.gpu', 'minigpt.fast.graphs', 'torch._dynamo')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here: graphs are captured on a GPU only")
@pytest.mark.parametrize("is_compiled", [False, True])
def test_a_captured_graph_writes_what_the_plain_loop_writes(monkeypatch: pytest.MonkeyPatch, is_compiled: bool) -> None:
    monkeypatch.setitem(os.environ, "MINIGPT_COMPILE", "1" if is_compiled else "")
    plain = model_of("gpt2").cuda()
    expected, steps = written(decode, plain, RAGGED, SETTINGS["top-p"])
    found, windows = written(gpu.decode, fused(plain), RAGGED, SETTINGS["top-p"])
    assert_same(expected, found, 1e-3)
    assert windows == steps
