"""Muon: its polynomial against a singular value decomposition, its step against PyTorch's, its runs as AdamW's."""

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from minigpt.cli import main
from minigpt.models.bert import Bert, BertConfig
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.train.checkpoint import load_run, resume, save
from minigpt.train.lora import add_lora
from minigpt.train.muon import Muon, muon_groups, orthogonal
from minigpt.train.simple import train
from minigpt.train.step import BETAS, make_optimizer
from minigpt.train.trainer import Trainer, TrainSettings

IDS = torch.randint(300, (500,), generator=torch.Generator().manual_seed(0))
SETTINGS = TrainSettings(
    steps=6, batch_size=6, block_size=16, warmup=2, learning_rate=1e-2, weight_decay=0.5, optimizer="muon"
)
TEXT = "The cat sat on the mat.\nThe dog sat on the log.\nA bird sang in the tree.\n" * 40


def tiny(kind: str = "gpt2") -> GPT2 | Llama:
    torch.manual_seed(0)
    if kind == "llama":
        return Llama(LlamaConfig(300, 16, 2, 4, 2, 16, 40, tied=False))
    return GPT2(GPT2Config(vocab_size=300, n_ctx=16, n_layer=2, n_head=2, n_embd=16))


def by_decomposition(matrix: Tensor, *_: object) -> Tensor:
    """The polynomial applied to the singular values themselves, five times; `_` is what PyTorch's function takes."""
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    s = s / (s.norm() + 1e-7)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return u @ s.diag() @ v


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (1, 4), (4, 1)])
def test_only_the_singular_values_change(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert (orthogonal(matrix) - by_decomposition(matrix)).abs().max() < 1e-9
    assert not orthogonal(0 * matrix).any()


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_they_are_near_one_whatever_the_size(size: float) -> None:
    matrix = size * torch.randn(256, 64, generator=torch.Generator().manual_seed(2))
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert 0.65 < values.min() < values.max() < 1.25


def test_a_step_is_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs takes the polynomial in bfloat16: it is given ours of `by_decomposition` in its place."""
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("this PyTorch has no Muon")
    monkeypatch.setattr(importlib.import_module("torch.optim._muon"), "_zeropower_via_newtonschulz", by_decomposition)
    model, twin = tiny().double(), tiny().double()
    hidden = [p for n, p in twin.named_parameters() if p.ndim == 2 and n.startswith("h.")]
    known = {id(p) for p in hidden}
    embeddings = [p for p in twin.parameters() if p.ndim == 2 and id(p) not in known]
    vectors = [p for p in twin.parameters() if p.ndim == 1]
    muon = torch.optim.Muon(hidden, weight_decay=0.5, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    groups: list[dict[str, Any]] = [
        {"params": embeddings, "weight_decay": 0.5},
        {"params": vectors, "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, betas=BETAS)
    ours = make_optimizer(model, SETTINGS)
    for step in range(3):
        ids = IDS[step * 16 : step * 16 + 16].view(1, 16)
        for one, optimizers in ((model, [ours]), (twin, [muon, adamw])):
            one.zero_grad()
            one(ids).square().mean().backward()
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = 0.01 * (step + 1)
                optimizer.step()
    for (name, mine), theirs in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert (mine - theirs).abs().max() < 1e-7, name
    before = tiny().double()
    assert all((a - b).abs().max() > 0.01 for a, b in zip(model.parameters(), before.parameters(), strict=True))


def test_its_products_are_in_bfloat16_where_that_was_asked_for() -> None:
    moved: dict[str, list[Tensor]] = {}
    for precision in ("float32", "bfloat16"):
        model = tiny()
        optimizer = make_optimizer(model, replace(SETTINGS, precision=precision))
        for group in optimizer.param_groups:
            group["lr"] = 0.01
        model(IDS[:16].view(1, 16)).square().mean().backward()
        optimizer.step()
        moved[precision] = [
            after - before for after, before in zip(model.parameters(), tiny().parameters(), strict=True)
        ]
    for (name, _), full, half in zip(tiny().named_parameters(), *moved.values(), strict=True):
        assert half.dtype == torch.float32
        assert (half - full).norm() < 0.1 * full.norm(), name
        assert torch.equal(half, full) == (not name.startswith("h.") or full.ndim == 1), name


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_matrices_of_the_blocks_and_nothing_else(kind: str) -> None:
    model = tiny(kind)
    hidden, others, vectors = muon_groups(model, 0.5)
    names = {parameter: name for name, parameter in model.named_parameters()}
    assert {names[p].partition(".")[0] for p in hidden["params"]} == {"h" if kind == "gpt2" else "layers"}
    assert len(hidden["params"]) == (8 if kind == "gpt2" else 14)
    assert {names[p] for p in others["params"]} == (
        {"wte.weight", "wpe.weight"} if kind == "gpt2" else {"embed_tokens.weight", "lm_head.weight"}
    )
    assert all(p.ndim == 1 for p in vectors["params"])
    assert sum(len(group["params"]) for group in (hidden, others, vectors)) == len(names)
    assert [group.get("momentum") for group in (hidden, others, vectors)] == [0.95, None, None]
    assert [group["weight_decay"] for group in (hidden, others, vectors)] == [0.5, 0.5, 0.0]


def test_lora_learns_by_it_and_a_model_without_blocks_is_refused() -> None:
    model = tiny()
    add_lora(model, 2)
    assert [len(group["params"]) for group in muon_groups(model, 0.0)] == [16, 0, 0]
    before = [p.clone() for p in model.parameters() if p.requires_grad]
    trainer = Trainer(model, SETTINGS)
    for _ in range(2):  # A has no gradient before B has moved
        trainer.do_step(IDS)
    after = [p for p in model.parameters() if p.requires_grad]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    with pytest.raises(ValueError, match=r"^Muon moves the matrices of blocks, and Bert has none: choose adamw$"):
        muon_groups(Bert(BertConfig(50, 16, 2, 1, 2, 8, 16)), 0.1)


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "fast"])
@pytest.mark.parametrize("stop", [1, 5])
def test_read_fast_and_resumed_are_one_run(plain: bool, stop: int, tmp_path: Path) -> None:
    whole = [*train(tiny(), IDS, SETTINGS)]
    assert whole != [*train(tiny(), IDS, replace(SETTINGS, optimizer="adamw"))]
    trainer = Trainer(tiny(), SETTINGS, plain)
    assert isinstance(trainer.optimizer, Muon)
    losses = [trainer.do_step(IDS) for _ in range(stop)]
    save(tmp_path, trainer, [])
    trainer, _ = resume(tmp_path)
    losses += [trainer.do_step(IDS) for _ in range(6 - stop)]
    assert losses == pytest.approx(whole, abs=1e-5)


def test_it_learns_more_from_as_many_steps() -> None:
    """The bytes of a text that people wrote; a sequence that a rule repeats AdamW learns as soon."""
    ids = torch.tensor([*(Path(__file__).parents[2] / "README.md").read_bytes()])
    ends = {}
    for name in ("adamw", "muon"):
        torch.manual_seed(0)
        model = GPT2(GPT2Config(vocab_size=256, n_ctx=32, n_layer=2, n_head=4, n_embd=32))
        settings = TrainSettings(steps=100, batch_size=16, block_size=32, warmup=10, learning_rate=1e-2, optimizer=name)
        ends[name] = sum([*train(model, ids, settings)][-10:]) / 10
    assert ends["muon"] < 0.95 * ends["adamw"]


def command(folder: Path, *more: str) -> int:
    sizes = "--vocab-size 280 --n-layer 1 --n-head 2 --n-embd 16 --block-size 8 --batch-size 4 --steps 4"
    return main(["train", "--out", str(folder / "run"), *(() if "--resume" in more else sizes.split()), *more])


def test_the_command_obeys_and_a_resumed_run_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.txt").write_text(TEXT, encoding="utf-8")
    text = ["--text", str(tmp_path / "my.txt")]
    assert command(tmp_path, *text, "--optimizer", "muon") == 0
    assert "| optimizer | Muon, AdamW for all but the blocks' matrices |" in (tmp_path / "run/README.md").read_text(
        "utf-8"
    )
    capsys.readouterr()
    assert command(tmp_path, "--resume", "--optimizer", "adamw", "--steps", "6") == 1
    told = f"--optimizer adamw: the run in {tmp_path / 'run'} was begun with muon; leave it out, or begin another run"
    assert capsys.readouterr().err == f"minigpt: {told}\n"
    assert command(tmp_path, "--resume", "--steps", "6") == 0
    trainer, _, record = load_run(tmp_path / "run")
    assert (trainer.step, trainer.settings.optimizer, record.asked["optimizer"]) == (6, "muon", "muon")
    assert [group.get("momentum") for group in trainer.optimizer.param_groups] == [0.95, None, None]


def test_a_run_older_than_the_flag_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.txt").write_text(TEXT, encoding="utf-8")
    assert command(tmp_path, "--text", str(tmp_path / "my.txt")) == 0
    file = tmp_path / "run/training.pt"
    state = torch.load(file, weights_only=True)
    del state["settings"]["optimizer"], state["record"]["asked"]["optimizer"]
    torch.save(state, file)
    assert command(tmp_path, "--resume", "--steps", "6", "--optimizer", "adamw") == 0
    state = torch.load(file, weights_only=True)
    del state["settings"]["optimizer"], state["record"]["asked"]["optimizer"]
    torch.save(state, file)
    capsys.readouterr()
    assert command(tmp_path, "--resume", "--steps", "8", "--optimizer", "muon") == 1
    assert "--optimizer muon: the run in " in (error := capsys.readouterr().err)
    assert error.endswith(" was begun with adamw; leave it out, or begin another run\n")


def test_what_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r'^optimizer must be "adamw" or "muon", not .sgd.$'):
        TrainSettings(optimizer="sgd")
    with pytest.raises(
        ValueError, match=r"^--optimizer muon needs whole matrices, and --shard divides them: leave one"
    ):
        Trainer(tiny(), SETTINGS, shard=True)


def test_a_parameter_without_a_gradient_stays() -> None:
    weight = nn.Parameter(torch.ones(2, 2))
    Muon([{"params": [weight], "momentum": 0.95}], lr=0.1).step()
    assert torch.equal(weight, torch.ones(2, 2))
