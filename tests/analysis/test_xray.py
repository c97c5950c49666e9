"""The X-ray: its values are the recorder's and those that its lines compute, and nothing of the pass changes."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from minigpt.analysis.activations import record
from minigpt.analysis.xray import Line, xray_lines
from minigpt.analysis.xray_parts import OF_ALL_LAYERS, find_part, parts
from minigpt.analysis.xray_trace import Tracer
from minigpt.analysis.xray_values import NOTHING
from minigpt.commands.xray_flags import PARTS
from minigpt.models.cache import KVCache
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.models.variants.gpt2 import GPT2Variant, GPT2VariantConfig
from tests import forked

ROOT = Path(__file__).parents[2]
IDS = torch.tensor([[3, 14, 15, 9, 2]])
LAYER = 1


def made(family: str) -> GPT2 | Llama:
    torch.manual_seed(1)
    sizes: dict[str, Any] = {"vocab_size": 43, "n_ctx": 16, "n_layer": 3, "n_head": 4, "n_embd": 24}
    model: GPT2 | Llama
    if family == "gpt2":
        model = GPT2(GPT2Config(**sizes))
    else:
        model = Llama(LlamaConfig(**sizes, n_kv_head=2, n_inner=40, qkv_bias=True))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture(params=["gpt2", "llama"])
def model(request: pytest.FixtureRequest) -> GPT2 | Llama:
    return made(request.param)


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """Whatever happened, nothing is traced afterwards."""
    before = sys.gettrace()
    yield
    assert sys.gettrace() is before
    assert torch._C._len_torch_function_stack() == 0


@torch.no_grad()
def run(model: GPT2 | Llama, cache: bool) -> Tensor:
    """The logits, as the X-ray's forward pass computes them: of all tokens, or of the last one after a prefill."""
    if not cache:
        return model(IDS)
    kv = KVCache(model.config, 1, IDS.shape[1])
    n = IDS.shape[1] - 1
    model(IDS[:, :-1], torch.arange(n)[None], kv)
    return model(IDS[:, -1:], torch.tensor([[n]]), kv)


def layer_of(what: str) -> int | None:
    return None if what in OF_ALL_LAYERS else LAYER


def runs(what: str, cache: bool) -> bool:
    return cache or what not in ("cache", "causal_mask")


EXPECTED = {  # names of the recorder that lines of a part must bear, in its layer
    "attention": {"ln_1", *(f"attn.{name}" for name in ("q", "k", "v", "scores", "weights", "heads", "out"))},
    "softmax": {"attn.scores", "attn.weights"},
    "block": {"in", "ln_1", "attn.out", "mid", "ln_2", "mlp.out", "out"},
    "mlp": {"ln_2", "mlp.hidden", "mlp.out"},
}


@pytest.mark.parametrize("cache", [False, True])
def test_the_numbers_are_the_recorders(model: GPT2 | Llama, cache: bool) -> None:
    """Every tensor that has a name there is equal to it, bit by bit; the names that a part has all come."""
    with record(model) as seen:
        run(model, cache)
    for what in parts(model):
        if not runs(what, cache):
            continue
        named = [
            (line, name) for line in xray_lines(model, IDS, what, layer_of(what), cache) for name in line.activations
        ]
        for line, name in named:
            assert isinstance(line.value, Tensor)
            assert torch.equal(line.value, seen[name]), (what, line.number, name)
            if layer_of(what) is not None:
                assert name.startswith(f"h.{LAYER}.") or name in ("h.0.out", "h.2.in"), name
        wanted = {f"h.{LAYER}.{name}" for name in EXPECTED.get(what, ())}
        assert wanted <= {name for _, name in named}, what


@pytest.mark.parametrize("cache", [False, True])
def test_it_changes_no_result(model: GPT2 | Llama, cache: bool) -> None:
    before = run(model, cache)
    for what in ("unembed", "gpt2" if isinstance(model, GPT2) else "llama"):
        last = xray_lines(model, IDS, what, cache=cache)[-1]
        assert isinstance(last.value, Tensor)
        assert torch.equal(last.value, before), what
    xray_lines(model, IDS, "attention", 2, cache)
    assert torch.equal(run(model, cache), before)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert "unembed" not in vars(model)


def test_a_decode_step_stands_where_its_token_stands(model: GPT2 | Llama) -> None:
    """Its position is the last, its keys fill all slots, and its logits are those of the whole text."""
    lines = xray_lines(model, IDS, "hidden", cache=True)
    (pos,) = [line.value for line in lines if line.name == "pos"]
    assert isinstance(pos, Tensor)
    assert pos.tolist() == [[4]]
    weights = next(line for line in xray_lines(model, IDS, "attention", cache=True) if line.name == "weights")
    assert weights.shape == "(B, H, T, S) = (1, 4, 1, 5)"
    last = xray_lines(model, IDS, "unembed", cache=True)[-1].value
    assert isinstance(last, Tensor)
    torch.testing.assert_close(last[0, 0], run(model, cache=False)[0, -1], rtol=1e-4, atol=1e-5)


def test_lines_are_those_of_the_files(model: GPT2 | Llama) -> None:
    for what in parts(model):
        for line in xray_lines(model, IDS, what, layer_of(what), cache=True):
            file = (ROOT / line.source.file).read_text("utf-8").split("\n")
            own = dict(line.source.lines)
            assert all(file[number - 1].endswith(text) for number, text in own.items())
            assert "\n".join(line.expression.split("\n")).split("(")[0][:12].strip() in file[line.number - 1]
            assert '"""' not in "".join(own.values())
            if line.columns:
                assert own[line.number][slice(*line.columns)] == line.expression


def evaluated(family: str, what: str, cache: bool) -> int:
    """Each expression of a part, computed anew from the names as they stood then, gives the value that is shown."""
    model = made(family)
    part, n = find_part(model, what, layer_of(what)), 0
    known = {function.__code__.co_qualname: function for function in part.functions}
    names: dict[str, dict[str, Any]] = {}
    module = part.module
    for line in xray_lines(model, IDS, what, layer_of(what), cache):
        own = names.setdefault(line.source.name, {"self": module, "head_dim": 6, "kv": None, "mask": None})
        own["n_slots"] = IDS.shape[1]
        if line.columns and "self.attn" not in line.expression and isinstance(line.value, Tensor):
            with torch.no_grad():
                found = eval(line.expression, known[line.source.name].__globals__, dict(own))
            assert torch.equal(found, line.value), (what, line.number, line.expression)
            n += 1
        if line.name and line.name != "return":
            own[line.name] = line.value if isinstance(line.value, Tensor) else eval(line.value)
    return n


SELF_CONTAINED = (  # parts whose expressions need nothing but their arguments and their module, and how many there are
    *(("gpt2", "gelu", 8), ("gpt2", "layer_norm", 12), ("gpt2", "linear", 5), ("gpt2", "softmax", 5)),
    *(("gpt2", "attn.attention", 11), ("gpt2", "split_heads", 2), ("gpt2", "embedding", 2), ("gpt2", "mlp", 11)),
    *(("llama", "attn.attention", 11), ("llama", "apply_rope", 7), ("llama", "rms_norm", 9), ("llama", "swiglu", 7)),
)


def evaluations() -> list[int]:
    torch.set_num_threads(1)
    found = []
    for family, what, _ in SELF_CONTAINED:
        what = what.replace("attn.", "self_attn.") if family == "llama" else what
        found.append(evaluated(family, what, cache=False))
    return [*found, evaluated("gpt2", "causal_mask", cache=True)]


def test_each_expression_gives_the_value_that_is_shown() -> None:
    """In a process without slipcover's probes, behind which Python knows no columns."""
    assert forked.call(evaluations) == [*(n for _, _, n in SELF_CONTAINED), 4]


def changing(x: Tensor) -> Tensor:
    y = x * 2
    y[0] = 7
    y.add_(1)
    if y.sum() > 0:
        z = y
    for n in (1, 2):
        z = z + n
    assert n
    return z


def steps(x: Tensor) -> list[tuple[str, object]]:
    with Tracer([changing]) as tracer:
        changing(x)
        changing(x)
    return [
        (step.name, step.value.tolist() if isinstance(step.value, Tensor) else step.value)
        for step in tracer.steps
        if step.name or not isinstance(step.value, Tensor)
    ]


def test_values_are_copies_of_the_moment() -> None:
    """A value is what it was after its line, whatever changes in place later; the second call is another matter."""
    assert steps(torch.tensor([1.0, 2.0])) == [
        *(("x", [1.0, 2.0]), ("y", [2.0, 4.0]), ("y", [7.0, 4.0]), ("", True), ("z", [8.0, 5.0])),
        *(("n", "1"), ("z", [9.0, 6.0]), ("n", "2"), ("z", [11.0, 8.0]), ("", NOTHING), ("return", [11.0, 8.0])),
    ]


def test_what_the_cache_held_before_is_told() -> None:
    lines = xray_lines(made("gpt2"), IDS, "cache", 2, cache=True)
    written = next(line for line in lines if line.name == "self.k")
    assert written.changed == "24 of 120 numbers changed"
    assert isinstance(written.value, Tensor)
    assert isinstance(written.before, Tensor)
    assert (written.value != written.before).nonzero()[:, 2].unique().tolist() == [4]  # the last slot alone


def test_the_layer_is_the_one_asked_for(model: GPT2 | Llama) -> None:
    with record(model) as seen:
        run(model, cache=False)
    for layer in range(3):
        line = xray_lines(model, IDS, "softmax", layer)[-1]
        assert isinstance(line.value, Tensor)
        assert torch.equal(line.value, seen[f"h.{layer}.attn.weights"])
    assert xray_lines(model, IDS, "softmax")[-1].activations == ("h.0.attn.weights",)


def test_what_changed_is_told() -> None:
    lines = xray_lines(made("llama"), IDS, "attention")
    masked = [line for line in lines if line.name == "scores"][-1]
    assert masked.changed == "40 of 100 numbers changed"
    grouped = next(line for line in lines if line.name == "k" and line.number == 41)
    assert grouped.changed == "was (1, 2, 5, 6)"
    values = next(line for line in lines if line.name == "v" and line.number == 80)
    assert values.changed == "was (1, 5, 12); a view of the v before: the same storage, nothing is copied"


def test_shapes_bear_their_letters() -> None:
    found = {(line.number, line.name): line.shape for line in xray_lines(made("llama"), IDS, "attention") if line.name}
    assert found[78, "cos"] == "(B, 1, T, D/2) = (1, 1, 5, 3)"
    assert found[79, "k"] == "(B, T, H_kv·D) = (1, 5, 12)"
    assert found[80, "k"] == "(B, H_kv, T, D) = (1, 2, 5, 6)"
    assert found[41, "k"] == "(B, H, S, D) = (1, 4, 5, 6)"
    assert found[47, "weights"] == "(B, H, T, S) = (1, 4, 5, 5)"
    lines = xray_lines(made("gpt2"), IDS, "linear")
    assert [line.shape for line in lines if line.expression in ("self.weight.T", "self.bias")] == [
        "(C, 3C) = (24, 72)",
        "(3C,) = (72,)",
    ] or not lines[1].columns


def test_parameters_are_not_copied_and_other_parts_not_kept() -> None:
    model = made("gpt2")
    lines = xray_lines(model, IDS, "unembed")
    (weights,) = {
        line.value.data_ptr() for line in lines if isinstance(line.value, Tensor) and 43 in line.value.shape[:1]
    }
    assert weights == model.wte.weight.data_ptr()
    assert {line.source.name for line in xray_lines(model, IDS, "softmax")} == {"softmax"}


def test_the_first_call_counts() -> None:
    lines = xray_lines(made("llama"), IDS, "apply_rope", 2)
    assert lines[0].changed == "the first of 2 calls"
    assert lines[-1].activations == ("h.2.attn.q",)


@pytest.mark.parametrize(
    ("what", "layer", "cache", "told"),
    [
        (
            "atention",
            None,
            False,
            r"there is no part 'atention' \(did you mean 'attention'\?\): there are gpt2, hidden,",
        ),
        ("LayerNorm", None, False, "did you mean 'layer_norm'"),
        ("mlp.cfc", None, False, "did you mean 'mlp.c_fc'"),
        ("rms_norm", None, False, "rms_norm is a part of Llama models, this is a GPT2: there are"),
        ("attention", 3, False, "layer 3: the model has 3, 0 to 2"),
        ("hidden", 1, False, "layer 1: hidden is the same for all layers"),
        ("ln_f", 1, False, "layer 1: ln_f is the same for all layers"),
        ("cache", None, False, "cache does not run in this model's forward pass: it does with a KV cache, cache=True"),
        ("causal_mask", None, False, "causal_mask does not run"),
    ],
)
def test_what_cannot_be_shown_is_refused(what: str, layer: int | None, cache: bool, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        xray_lines(made("gpt2"), IDS, what, layer, cache)


def test_a_variant_is_followed_through_its_own_lines() -> None:
    """Other activations and scaled scores have lines of their own, and a part that never runs is said to be none."""
    sizes: dict[str, Any] = {"vocab_size": 43, "n_ctx": 16, "n_layer": 2, "n_head": 4, "n_embd": 24}
    model = GPT2Variant(GPT2VariantConfig(**sizes, activation="relu", scale_by_layer=True)).eval()
    lines = xray_lines(model, IDS, "attention", 1)
    assert {line.source.name.split(".")[0] for line in lines} == {"CausalSelfAttention", "ScaledAttention", "Attention"}
    with pytest.raises(
        ValueError, match="gelu does not run in this model's forward pass: its MLP has another activation"
    ):
        xray_lines(model, IDS, "gelu")


def test_a_single_token_is_no_decode_step() -> None:
    with pytest.raises(ValueError, match="1 token: a decode step comes after others"):
        xray_lines(made("gpt2"), IDS[:, :1], "attention", cache=True)
    assert xray_lines(made("gpt2"), IDS[:, :1], "attention")


def test_errors_come_through() -> None:
    """An error in the pass is the caller's, and the trace ends with it (see `nothing_stays`)."""
    model = made("gpt2")
    with pytest.raises(IndexError):
        xray_lines(model, torch.tensor([[99]]), "embedding")
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_a_debugger_keeps_its_place() -> None:
    def watch(*_: object) -> None:
        return None

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        xray_lines(made("gpt2"), IDS, "softmax")
        assert sys.gettrace() is watch
    finally:
        sys.settrace(before)


def test_modules_are_parts_too() -> None:
    model = made("gpt2")
    with record(model) as seen:
        run(model, cache=False)
    line: Line = xray_lines(model, IDS, "mlp.c_fc", 2)[-1]
    assert line.activations == ("h.2.mlp.pre",)
    assert isinstance(line.value, Tensor)
    assert torch.equal(line.value, seen["h.2.mlp.pre"])
    assert xray_lines(model, IDS, "ln_f")[-1].activations == ("ln_f",)


def test_the_help_names_all_parts() -> None:
    assert {*PARTS} == {*parts(made("gpt2")), *parts(made("llama"))}


def test_a_letter_that_is_not_certain_is_left_out() -> None:
    """With as many tokens as a head has channels the comment at the line's end fits its first expressions too."""
    lines = xray_lines(made("gpt2"), torch.tensor([[3, 14, 15, 9, 2, 7]]), "attention")
    first = next(line for line in lines if line.number == 45)
    assert first.shape == "(B, H, 6, 6) = (1, 4, 6, 6)"
    assert next(line for line in lines if line.name == "scores").shape == "(B, H, T, S) = (1, 4, 6, 6)"


def test_equal_numbers_are_not_the_same_tensor() -> None:
    """With a single token all weights are 1, as are the exponentials before them."""
    lines = xray_lines(made("gpt2"), IDS[:, :1], "softmax")
    assert [line.activations for line in lines if line.activations] == [("h.0.attn.scores",), ("h.0.attn.weights",)]
