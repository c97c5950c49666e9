"""The step: equal to transformers with PyTorch's optimizer, in parts to the whole, fast to read; and it learns."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minigpt.fast import crossentropy, training
from minigpt.fast.compared import say_once
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.models.variants.gpt2 import GPT2Variant, GPT2VariantConfig
from minigpt.train import loss, optimizer
from minigpt.train.checkpoint import resume, save
from minigpt.train.data import draw_batch
from minigpt.train.loss import next_token_loss
from minigpt.train.simple import train, train_step
from minigpt.train.state import load_state, save_state
from minigpt.train.trainer import Trainer, TrainSettings, evaluate
from weights import save_checkpoint

IDS = torch.randint(300, (500,), generator=torch.Generator().manual_seed(0))
SETTINGS = TrainSettings(steps=6, batch_size=6, block_size=16, warmup=2, learning_rate=3e-3, clip=0.3, weight_decay=0.5)
BOTH = pytest.mark.parametrize("plain", [True, False], ids=["plain", "fast"])


def tiny(kind: str = "gpt2", dropout: float = 0.0) -> GPT2 | Llama:
    torch.manual_seed(0)
    if kind == "llama":
        return Llama(LlamaConfig(300, 16, 2, 4, 2, 16, 40))
    return GPT2(GPT2Config(vocab_size=300, n_ctx=16, n_layer=2, n_head=2, n_embd=16, dropout=dropout))


@pytest.fixture(autouse=True)
def heard(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """What stderr says of the fast forms, which is said once."""
    say_once.cache_clear()
    training.agrees.cache_clear()
    yield capsys
    say_once.cache_clear()
    training.agrees.cache_clear()


# --- Equal to others -------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_steps_equal_transformers_with_pytorchs_optimizer(plain: bool, kind: str, tmp_path: Path) -> None:
    """Biases and norms start from random numbers, so that their decay would show; the gradient is clipped. In float64,
    since AdamW makes whole steps of gradients that are only rounding, as those of a key's bias are."""
    transformers = pytest.importorskip("transformers")
    model = tiny(kind).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape)
    save_checkpoint(model, tmp_path / "before")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "before", dtype=torch.float64).train()
    vectors = [p for p in theirs.parameters() if p.ndim < 2]
    matrices = [p for p in theirs.parameters() if p.ndim >= 2]
    groups: list[dict[str, Any]] = [{"params": matrices, "weight_decay": 0.5}, {"params": vectors, "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    trainer = Trainer(model, SETTINGS, plain)
    for step, rate in enumerate((1.5e-3, 3e-3)):
        x, y = draw_batch(IDS, 16, 6, torch.Generator().manual_seed(step))
        adamw.zero_grad()
        wanted = F.cross_entropy(theirs(x).logits.flatten(0, 1), y.flatten())
        wanted.backward()
        assert nn.utils.clip_grad_norm_(theirs.parameters(), 0.3) > 0.3
        for group in adamw.param_groups:
            group["lr"] = rate
        adamw.step()
        assert trainer.do_step(IDS) == pytest.approx(wanted.item(), abs=1e-6)
    theirs.save_pretrained(tmp_path / "after")
    save_checkpoint(model, tmp_path / "ours")
    safetensors = pytest.importorskip("safetensors.torch")
    one, other = (safetensors.load_file(tmp_path / name / "model.safetensors") for name in ("after", "ours"))
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert (value - other[name]).abs().max() < 1e-6, name


@BOTH
def test_an_untrained_model_knows_nothing_and_one_batch_is_learned_by_heart(plain: bool) -> None:
    torch.manual_seed(0)
    model = GPT2(GPT2Config(vocab_size=300, n_ctx=16, n_layer=2, n_head=2, n_embd=64))
    settings = TrainSettings(steps=80, batch_size=1, block_size=16, warmup=5, learning_rate=1e-2)
    trainer = Trainer(model, settings, plain)
    losses = [trainer.do_step(IDS[:17]) for _ in range(80)]
    assert losses[0] == pytest.approx(math.log(300), abs=0.1)
    assert losses[-1] < 0.05


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_what_is_read_is_what_the_trainer_does(kind: str) -> None:
    """`simple.train` loses what the plain trainer loses, and the fast one the same but for rounding."""
    read = list(train(tiny(kind), IDS, SETTINGS))
    for plain, tolerance in ((True, 1e-9), (False, 1e-5)):
        trainer = Trainer(tiny(kind), SETTINGS, plain)
        assert [trainer.do_step(IDS) for _ in range(6)] == pytest.approx(read, abs=tolerance)


def test_dropout_draws_the_same_in_both() -> None:
    read = list(train(tiny(dropout=0.2), IDS, SETTINGS))
    trainer = Trainer(tiny(dropout=0.2), SETTINGS)
    assert [trainer.do_step(IDS) for _ in range(6)] == pytest.approx(read, abs=1e-5)


@pytest.mark.parametrize("kind", ["uint16", "int32", "int64"])
def test_a_memory_mapped_text_gives_the_same_batches(kind: str, tmp_path: Path) -> None:
    IDS.numpy().astype(kind).tofile(tmp_path / "ids.bin")
    mapped = np.memmap(tmp_path / "ids.bin", dtype=kind, mode="r")
    for ids in (mapped, torch.from_numpy(np.array(mapped))):
        for one, other in zip(
            *(draw_batch(i, 16, 6, torch.Generator().manual_seed(3)) for i in (ids, IDS)), strict=True
        ):
            assert one.dtype == torch.int64
            assert torch.equal(one, other)
    first, second = (Trainer(tiny(), SETTINGS).do_step(ids) for ids in (mapped, IDS))
    assert first == second


@pytest.mark.parametrize("ids", [torch.zeros(2, 50, dtype=torch.int64), torch.zeros(50), np.zeros(50, dtype=bool)])
def test_what_is_no_row_of_ids_is_refused(ids: Any) -> None:
    with pytest.raises(ValueError, match=r"ids of shape .* expected \(N,\) whole numbers"):
        draw_batch(ids, 16, 6, torch.Generator())


# --- In parts, and cut off -------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("n_parts", [2, 4, 6])
def test_a_batch_in_parts_is_the_same_step(plain: bool, n_parts: int) -> None:
    """Four parts of six blocks are of unequal size."""
    whole, parts = (Trainer(tiny(), replace(SETTINGS, accumulate=n), plain) for n in (1, n_parts))
    for _ in range(6):
        assert parts.do_step(IDS) == pytest.approx(whole.do_step(IDS), abs=1e-5)
    for one, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert (one - other).abs().max() < 1e-4


@pytest.mark.parametrize("stop", [1, 3, 5])
@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True), (True, True)])
def test_a_run_goes_on_in_another_form(stop: int, before: bool, after: bool, tmp_path: Path) -> None:
    whole = [*train(tiny(), IDS, SETTINGS)]
    first = Trainer(tiny(), replace(SETTINGS, accumulate=2), before)
    losses = [first.do_step(IDS) for _ in range(stop)]
    save(tmp_path, first, [])
    saved, _ = resume(tmp_path)
    second = Trainer(tiny(), SETTINGS, after)
    second.step = stop
    save_state(saved.model, saved.optimizer, saved.step, tmp_path / "any.pt")
    assert load_state(tmp_path / "any.pt", second.model, second.optimizer) == stop
    assert second.optimizer.param_groups[0].get("fused") is (None if after else True)
    losses += [second.do_step(IDS) for _ in range(6 - stop)]
    assert losses == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize("accumulate", [0, 7])
def test_senseless_parts_are_refused(accumulate: int) -> None:
    with pytest.raises(ValueError, match=f"accumulate .*{accumulate}"):
        replace(SETTINGS, accumulate=accumulate)


# --- The fast forms --------------------------------------------------------------------------------------------------


def gradients(model: nn.Module, found: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(found, list(model.parameters())))


@pytest.mark.parametrize("n_blocks", [1, 8, 40])  # 128 rows of logits at a time: less than one part, one, five
@pytest.mark.parametrize("kind", ["gpt2", "llama", "head of its own"])
def test_the_fused_loss_is_the_loss(kind: str, n_blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossentropy, "N_LOGITS", 1)
    model = tiny(kind).double()
    if kind == "head of its own":
        model = Llama(LlamaConfig(300, 16, 1, 2, 1, 8, 16, tied=False)).double()
    x, y = draw_batch(IDS, 16, n_blocks, torch.Generator().manual_seed(0))
    one, other = next_token_loss(model, x, y), training.fused_loss(model, x, y)
    assert other.item() == pytest.approx(one.item(), abs=1e-12)
    for mine, theirs in zip(gradients(model, one * 3), gradients(model, other * 3), strict=True):
        assert (mine - theirs).abs().max() < 1e-12
    with torch.no_grad():
        assert training.fused_loss(model, x, y).item() == pytest.approx(one.item(), abs=1e-12)


def test_the_fused_loss_in_bfloat16_is_near() -> None:
    model = tiny()
    x, y = draw_batch(IDS, 16, 6, torch.Generator().manual_seed(0))
    wanted = gradients(model, next_token_loss(model, x, y))
    with torch.autocast("cpu", torch.bfloat16):
        found = training.fused_loss(model, x, y)
    assert found.item() == pytest.approx(math.log(300), abs=0.1)
    for mine, theirs in zip(gradients(model, found), wanted, strict=True):
        assert (mine - theirs).norm() < 0.03 * theirs.norm() + 1e-4


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_step_never_has_all_logits_at_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whichever form the model runs here, with a decode step in C or without."""
    forward, calls = crossentropy.ChunkedCrossEntropy.forward, []
    monkeypatch.setattr(crossentropy.ChunkedCrossEntropy, "forward", lambda *given: calls.append(1) or forward(*given))  # type: ignore[func-returns-value]
    trainer = Trainer(tiny(kind), SETTINGS)
    trainer.do_step(IDS)
    calls.clear()  # of what was compared
    trainer.do_step(IDS)
    assert calls == [1]


def test_the_gradients_of_several_chunks_add_up_and_are_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are scaled in place by the gradient of the loss, which a second time would scale them twice."""
    monkeypatch.setattr(crossentropy, "N_LOGITS", 1)  # so that a chunk has 128 rows
    numbers = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(n, 16, generator=numbers, dtype=torch.float64).requires_grad_() for n in (300, 50))
    y = torch.randint(50, (300,), generator=numbers)
    found = crossentropy.ChunkedCrossEntropy.apply(x, weight, y) / 3
    wanted = torch.autograd.grad(F.cross_entropy(x @ weight.T, y, reduction="sum") / 3, (x, weight))
    for mine, theirs in zip(torch.autograd.grad(found, (x, weight), retain_graph=True), wanted, strict=True):
        torch.testing.assert_close(mine, theirs)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        found.backward()


def test_chunks_in_half_precision_add_up_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossentropy, "N_LOGITS", 1)  # so that a chunk has 128 rows
    numbers = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(n, 16, generator=numbers).requires_grad_() for n in (300, 50))
    y = torch.randint(50, (300,), generator=numbers)
    with torch.autocast("cpu", torch.bfloat16):
        found = crossentropy.ChunkedCrossEntropy.apply(x, weight, y)
    wanted = F.cross_entropy(x @ weight.T, y, reduction="sum")
    assert found.item() == pytest.approx(wanted.item(), rel=0.01)
    pairs = zip(torch.autograd.grad(found, (x, weight)), torch.autograd.grad(wanted, (x, weight)), strict=True)
    for mine, theirs in pairs:
        assert mine.dtype == torch.float32
        assert (mine - theirs).norm() < 0.02 * theirs.norm()


def test_an_output_matrix_that_is_none_keeps_the_models_own_logits() -> None:
    """A variant whose `unembed` does more than multiply, and a class of one's own."""

    class Louder(GPT2):
        def unembed(self, x: Tensor) -> Tensor:
            return 2 * super().unembed(x)

    config = GPT2VariantConfig(vocab_size=300, n_ctx=16, n_layer=1, n_head=2, n_embd=8, tied=False)
    x, y = draw_batch(IDS, 16, 2, torch.Generator().manual_seed(0))
    for model in (Louder(GPT2Config(vocab_size=300, n_ctx=16, n_layer=1, n_head=2, n_embd=8)), GPT2Variant(config)):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_()
        assert training.output_matrix(model) is None
        assert training.fused_loss(model, x, y).item() == pytest.approx(next_token_loss(model, x, y).item(), rel=1e-5)


def test_the_fast_parts_serve(heard: pytest.CaptureFixture[str]) -> None:
    assert training.fast_parts() is training.FAST
    assert training.fast_parts(plain=True) == (next_token_loss, optimizer.clip_gradients, optimizer.AdamW)
    assert heard.readouterr().err == ""


@pytest.mark.parametrize("predicting", [torch.no_grad, torch.inference_mode])
def test_the_fast_parts_are_compared_for_whoever_predicts_too(
    predicting: Any, heard: pytest.CaptureFixture[str]
) -> None:
    training.agrees.cache_clear()
    with predicting():
        assert training.fast_parts() is training.FAST
    assert heard.readouterr().err == ""


class NoDecay(torch.optim.AdamW):
    def __init__(self, params: Any, lr: float) -> None:
        super().__init__([group | {"weight_decay": 0.0} for group in params], lr)


def raising(*_: object) -> Tensor:
    raise RuntimeError("no kernel\nfor this")


PLANTED: dict[str, dict[str, Any]] = {
    "loss": {"loss": lambda model, x, y: training.fused_loss(model, x, y.roll(1))},
    "gradient": {"loss": lambda model, x, y: training.fused_loss(model, x, y).detach() + 0 * model.wpe.weight.sum()},
    "no kernel": {"loss": raising},
    "clip": {"clip": lambda parameters, max_norm: nn.utils.clip_grad_norm_(parameters, 2 * max_norm)},
    "decay": {"optimizer": NoDecay},
    "not a number": {"loss": lambda model, x, y: training.fused_loss(model, x, y) * math.nan},
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_fault_in_a_fast_part_is_seen_and_the_plain_ones_serve(
    fault: str, heard: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "FAST", training.FAST._replace(**PLANTED[fault]))
    wanted = [*train(tiny(), IDS, replace(SETTINGS, steps=2))]
    trainer = Trainer(tiny(), SETTINGS)
    assert [trainer.do_step(IDS) for _ in range(2)] == pytest.approx(wanted, abs=1e-6)
    said = heard.readouterr().err
    assert said.startswith("minigpt: minigpt/fast/training.py ")
    assert said.endswith("the plain form is used\n")
    assert said.count("\n") == 1
    assert isinstance(trainer.optimizer, optimizer.AdamW)


def test_an_edit_of_what_is_read_shows(heard: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    right = Trainer(tiny(), SETTINGS)
    first = right.do_step(IDS)
    own = loss.cross_entropy
    monkeypatch.setattr(loss, "cross_entropy", lambda logits, targets: own(logits, targets) + 1)
    trainer = Trainer(tiny(), SETTINGS)
    assert trainer.do_step(IDS) == pytest.approx(first + 1, abs=1e-5)
    assert "minigpt/fast/training.py differs from minigpt/train" in heard.readouterr().err
    scores = evaluate(trainer.model, IDS, 1000, SETTINGS)
    assert scores.loss > 6


def test_a_step_begins_without_old_gradients() -> None:
    model, other = tiny(), tiny()
    x, y = draw_batch(IDS, 16, 6, torch.Generator().manual_seed(0))
    next_token_loss(model, x, y).backward()
    for one in (model, other):
        train_step(one, optimizer.AdamW(one.parameters()), x, y)
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_frozen_weights_stay_and_are_no_part_of_the_norm() -> None:
    model = tiny()
    model.wte.weight.requires_grad_(False)  # type: ignore[union-attr]
    before = model.state_dict()["wte.weight"].clone()
    for plain in (True, False):
        Trainer(model, SETTINGS, plain).do_step(IDS)
    assert torch.equal(model.state_dict()["wte.weight"], before)
    assert optimizer.clip_gradients([nn.Parameter(torch.ones(3))], 1.0) == 0
    with pytest.raises(ValueError, match="takes no closure"):
        optimizer.AdamW(model.parameters()).step(lambda: 0.0)
