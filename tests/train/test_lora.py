"""LoRA: the paper's and peft's product, a start that changes nothing, only A and B learn, merged it is the same."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from minigpt.fast.choose import fast_form
from minigpt.generation.generate import generate
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.layers import Linear
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.train.lora import LoRALinear, add_lora, merged
from minigpt.train.lora import lora_layers as layers
from minigpt.train.trainer import Trainer, TrainSettings
from weights import load_checkpoint, save_checkpoint

SIZES: dict[str, Any] = {"vocab_size": 60, "n_ctx": 32, "n_layer": 2, "n_head": 2, "n_embd": 16, "n_inner": 40}
IDS = torch.randint(60, (2, 12), generator=torch.Generator().manual_seed(0))
TEXT = torch.randint(60, (200,), generator=torch.Generator().manual_seed(1))
SETTINGS = TrainSettings(steps=4, batch_size=4, block_size=8, warmup=0, learning_rate=1e-2)
KINDS = ("gpt2", "llama")


def tiny(kind: str, dtype: torch.dtype = torch.float32) -> GPT2 | Llama:
    torch.manual_seed(0)
    model = GPT2(GPT2Config(**SIZES)) if kind == "gpt2" else Llama(LlamaConfig(n_kv_head=1, **SIZES))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.to(dtype).eval()


def tuned(kind: str, dtype: torch.dtype = torch.float32, **more: Any) -> GPT2 | Llama:
    """A model whose LoRA has learnt something large."""
    model = tiny(kind, dtype)
    add_lora(model, 3, **more)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("lora_B"):
                parameter.normal_(std=0.3)
    return model


# --- The product ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("rank", "alpha"), [(1, 1.0), (3, 6.0), (4, 1.0)])
def test_the_product_is_pefts(bias: bool, rank: int, alpha: float) -> None:
    """peft's Linear.forward: result + lora_B(lora_A(x)) * scaling, with scaling = lora_alpha / r."""
    base = Linear(7, 5, bias=bias).double()
    layer = LoRALinear(base, rank, alpha)
    with torch.no_grad():
        for parameter in (base.weight, layer.lora_A, layer.lora_B, *([base.bias] if bias else [])):
            parameter.normal_()
    assert (layer.lora_A.shape, layer.lora_B.shape) == ((rank, 7), (5, rank))  # as peft's files hold them
    x = torch.randn(2, 3, 7, dtype=torch.float64)
    for places in ((0, 0), (1, 2)):
        rows = x[places]
        expected = base.weight @ rows + alpha / rank * (layer.lora_B @ (layer.lora_A @ rows))
        expected = expected + base.bias if bias else expected
        assert (layer(x)[places] - expected).abs().max() < 1e-12
    assert (layer(x) - layer.merged()(x)).abs().max() < 1e-12
    assert layer.merged().bias is base.bias


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_start_is_the_base_model_bit_by_bit(kind: str, dtype: torch.dtype) -> None:
    base, model = tiny(kind, dtype), tiny(kind, dtype)
    add_lora(model, 3, alpha=16)
    assert layers(model)
    assert torch.equal(model(IDS), base(IDS))
    for layer in layers(model).values():
        assert layer.lora_A.abs().min() > 0  # else no gradient would ever come
        assert layer.lora_A.dtype == dtype
        assert layer.lora_A.std().item() == pytest.approx(1 / math.sqrt(layer.weight.shape[1]), rel=0.5)
    again = tiny(kind, dtype)
    add_lora(again, 3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize(("kind", "dtype", "tolerance"), [
    ("gpt2", torch.float32, 1e-5), ("llama", torch.float32, 1e-5), ("gpt2", torch.float64, 1e-12),
    ("llama", torch.float64, 1e-5),  # whose norms are in float32 even then
])  # fmt: skip
def test_merged_is_the_same_model(kind: str, dtype: torch.dtype, tolerance: float) -> None:
    model = tuned(kind, dtype)
    plain = merged(model)
    assert not layers(plain)
    assert type(plain) is type(model)
    assert [name for name, _ in plain.named_parameters()] == [name for name, _ in tiny(kind).named_parameters()]
    difference = (plain(IDS) - model(IDS)).abs().max() / model(IDS).abs().max()
    assert difference < tolerance
    assert (tiny(kind, dtype)(IDS) - model(IDS)).abs().max() > 0.1  # it does something
    assert layers(model)  # and is left as it was
    assert merged(plain) is plain
    one = layers(model)["h.0.mlp.c_fc" if kind == "gpt2" else "layers.0.mlp.up_proj"]
    x = torch.randn(5, 16, dtype=dtype)
    assert (one(x) - one.merged()(x)).abs().max() < {torch.float32: 1e-5, torch.float64: 1e-12}[dtype]


@pytest.mark.parametrize("kind", KINDS)
def test_fast_forms_compute_it_too(kind: str) -> None:
    """Also the decode step, whose form in C knows no LoRA: the torch form serves."""
    model = tuned(kind)
    assert (fast_form(model)(IDS) - model(IDS)).abs().max() < 1e-4
    ids = IDS[0, :4].tolist()
    assert generate(model, ids, max_new_tokens=8) == generate(merged(model), ids, max_new_tokens=8, plain=True)
    assert generate(model, ids, max_new_tokens=8) != generate(tiny(kind), ids, max_new_tokens=8)


# --- What learns ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("plain", [False, True])
def test_only_a_and_b_learn(kind: str, plain: bool) -> None:
    base, model = tiny(kind), tiny(kind)
    add_lora(model, 2)
    first = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    trainer = Trainer(model, SETTINGS, plain)
    losses = [trainer.do_step(TEXT) for _ in range(4)]
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, first[name])}
    assert moved == {name for name in first if name.rpartition(".")[2] in ("lora_A", "lora_B")}
    assert len(moved) == 2 * len(layers(model)) == 2 * (8 if kind == "gpt2" else 14)
    held = [parameter for group in trainer.optimizer.param_groups for parameter in group["params"]]
    assert sum(parameter.numel() for parameter in held) < sum(p.numel() for p in base.parameters()) / 3
    assert losses[0] == pytest.approx(Trainer(base, SETTINGS, plain).do_step(TEXT), abs=1e-5)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["c_proj"], {"attn.c_proj", "mlp.c_proj"}),
        (["mlp.c_proj"], {"mlp.c_proj"}),
        (["c_attn", "c_fc"], {"attn.c_attn", "mlp.c_fc"}),
        (None, {"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"}),
    ],
)
def test_the_matrices_are_chosen_by_the_ends_of_their_names(targets: list[str] | None, expected: set[str]) -> None:
    model = tiny("gpt2")
    add_lora(model, 2, targets=targets)
    assert set(layers(model)) == {f"h.{i}.{name}" for i in range(2) for name in expected}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"targets": ["c_atn"]}, r"called 'c_atn' .*there are c_attn, c_fc, c_proj: did you mean 'c_attn'\?"),
        ({"targets": ["c_attn", "wte"]}, r"no matrix of the blocks is called 'wte' \(--lora-targets\)"),
        ({"targets": ["attn"]}, "called 'attn'"),
        ({"targets": [""]}, "called ''"),
        ({"rank": 0}, r"LoRA rank of 0 \(--lora\): give 1 to 16"),
        ({"rank": 17}, "rank of 17"),
        ({"alpha": 0.0}, r"LoRA alpha of 0.0 \(--lora-alpha\): give a number above 0, such as 4"),
        ({"alpha": math.inf}, "alpha of inf"),
    ],
)
def test_what_makes_no_sense_is_refused(more: dict[str, Any], message: str) -> None:
    model = tiny("gpt2")
    with pytest.raises(ValueError, match=message):
        add_lora(model, **{"rank": 2} | more)
    assert not layers(model)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_twice_is_refused_and_the_output_matrix_is_no_target() -> None:
    model = tiny("gpt2")
    add_lora(model, 2)
    with pytest.raises(ValueError, match="has LoRA's matrices already"):
        add_lora(model, 2)
    untied = Llama(LlamaConfig(n_kv_head=1, tied=False, **SIZES))
    with pytest.raises(ValueError, match="called 'lm_head'"):
        add_lora(untied, 2, targets=["lm_head"])


# --- Files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_merged_export_is_the_same_model_to_transformers(
    kind: str, tmp_path: Path, random_checkpoint: Callable[..., Path]
) -> None:
    transformers = pytest.importorskip("transformers")
    model = load_checkpoint(random_checkpoint(kind), "cpu").model
    add_lora(model, 4, alpha=4)
    with torch.no_grad():
        for layer in layers(model).values():
            layer.lora_B.normal_(std=0.1)
    save_checkpoint(merged(model), tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    right: Tensor = model(IDS)
    assert (theirs(IDS).logits - right).abs().max() < 1e-4
    assert (load_checkpoint(random_checkpoint(kind), "cpu").model(IDS) - right).abs().max() > 0.1
    assert "lora" not in json.dumps([*theirs.state_dict()])
