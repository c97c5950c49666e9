"""The analyses: what they say about models in which the answer is known."""

from typing import Any

import pytest
import torch
from torch import Tensor

from minigpt import logit_lens
from minigpt.analysis.activations import patch, record
from minigpt.analysis.heads import (
    ablation_scores,
    attention_maps,
    induction_scores,
    loss,
    previous_token_scores,
    repeated,
)
from minigpt.analysis.lens import logit_attribution, stream_norms
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig

IDS = torch.tensor([[3, 14, 15, 9, 2, 6]])


def made(family: str) -> GPT2 | Llama:
    torch.manual_seed(2)
    if family == "gpt2":
        model: GPT2 | Llama = GPT2(GPT2Config(vocab_size=30, n_ctx=16, n_layer=3, n_head=4, n_embd=24))
    else:
        sizes = {"vocab_size": 30, "n_ctx": 16, "n_layer": 3, "n_head": 4, "n_kv_head": 2, "n_embd": 24, "n_inner": 40}
        model = Llama(LlamaConfig(**sizes, tied=False))  # type: ignore[arg-type]
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture(params=["gpt2", "llama"])
def model(request: pytest.FixtureRequest) -> GPT2 | Llama:
    return made(request.param)


def test_the_lens_ends_at_the_logits(model: GPT2 | Llama) -> None:
    lens = logit_lens(model, IDS)
    assert lens.shape == (4, 1, 6, 30)
    assert lens[-1].equal(model(IDS))
    for i in range(3):  # after layer i: the model without the blocks that follow
        with patch(model, {f"h.{j}.{part}.out": 0 for j in range(i, 3) for part in ("attn", "mlp")}):
            torch.testing.assert_close(lens[i], model(IDS))


def test_the_norms_are_those_of_the_stream(model: GPT2 | Llama) -> None:
    with record(model) as seen, torch.no_grad():
        model(IDS)
    wanted = [seen["h.0.in"], *(seen[f"h.{i}.out"] for i in range(3))]
    torch.testing.assert_close(stream_norms(model, IDS), torch.stack([x.square().sum(-1).sqrt() for x in wanted]))


@pytest.mark.parametrize("position", [-1, 0, 3])
def test_the_parts_sum_to_the_logit(model: GPT2 | Llama, position: int) -> None:
    with torch.no_grad():
        logit = model(IDS)[0, position, 7].item()
    parts = logit_attribution(model, IDS, token=7, position=position)
    assert sum(parts.values()) == pytest.approx(logit, abs=1e-4)
    with (
        record(model) as seen,
        torch.no_grad(),
    ):  # with one head's share taken from the last layer's stream, its scale kept
        model(IDS)
    last: Any = model.h[2] if isinstance(model, GPT2) else model.layers[2]
    project = last.attn.c_proj if isinstance(model, GPT2) else last.self_attn.o_proj
    written: Tensor = seen["h.2.attn.heads"][0, 1, position] @ project.weight[:, 6:12].T
    norm = model.ln_f if isinstance(model, GPT2) else model.norm
    x = seen["h.2.out"][0, position]
    with torch.no_grad():
        centred = written - written.mean() if isinstance(model, GPT2) else written
        spread = x - x.mean() if isinstance(model, GPT2) else x
        share = model.unembed(centred / (spread.square().mean() + norm.eps).sqrt() * norm.weight)[7]
    assert parts["h.2.attn.1"] == pytest.approx(share.item(), abs=1e-4)


def planted() -> GPT2:
    """Two layers by hand: in the first, head 0 copies the token before; in the second, head 1 looks for a place whose
    copy is the token that stands here, which is an induction head; all others do nothing."""
    v, p = 20, 40
    c = 2 * (2 * v + p)
    model: Any = GPT2(GPT2Config(vocab_size=v, n_ctx=p, n_layer=2, n_head=2, n_embd=c))
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    d = c // 2
    token, place, copy = torch.arange(v), torch.arange(v, v + p), torch.arange(v + p, 2 * v + p)
    with torch.no_grad():
        for norm in (*(ln for block in model.h for ln in (block.ln_1, block.ln_2)), model.ln_f):
            norm.weight.fill_(1.0)
        model.wte.weight[token, token] = 1.0
        model.wpe.weight[place - v, place] = 1.0
        q, k, values = (model.h[0].attn.c_attn.weight[n * c : (n + 1) * c] for n in range(3))
        q[place[:-1] - v, place[1:]] = 30.0  # at place i the query is i - 1
        k[place - v, place] = 30.0
        values[token, token] = 1.0
        model.h[0].attn.c_proj.weight[copy, token] = 1.0
        q, k, values = (model.h[1].attn.c_attn.weight[n * c : (n + 1) * c] for n in range(3))
        q[d + token, token] = 30.0
        k[d + token, copy] = 30.0
        values[d + token, token] = 1.0
        model.h[1].attn.c_proj.weight[token, d + token] = 9.0
    planted: GPT2 = model.eval()
    return planted


def test_a_planted_induction_head_is_found() -> None:
    model = planted()
    half = torch.randperm(20, generator=torch.Generator().manual_seed(3))[None, :12]
    ids = torch.cat((half, half), dim=1)
    maps = attention_maps(model, ids)
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 2, 24))
    assert not maps.triu(1).any()
    previous, induction = previous_token_scores(maps), induction_scores(maps)
    assert previous[0, 0] > 0.95
    assert induction[1, 1] > 0.95
    for scores, where in ((previous, (0, 0)), (induction, (1, 1))):
        others = scores.clone()
        others[where] = 0
        assert others.max() < 0.3, scores
    assert loss(model, ids[:, 12:]) > loss(model, ids)  # without the first half there is nothing to copy from
    losses = ablation_scores(model, ids)
    assert losses[1, 1] > 0.2
    assert losses[0, 0] > 0.2  # the second head finds nothing without the first
    assert losses[0, 1] == losses[1, 0] == 0


def test_ablation_is_the_loss_without_the_rows() -> None:
    model: Any = made("gpt2")
    scores = ablation_scores(model, IDS)
    with torch.no_grad():
        whole = loss(model, IDS)
        model.h[1].attn.c_proj.weight[:, 12:18] = 0
        assert scores[1, 2].item() == pytest.approx(loss(model, IDS) - whole, abs=1e-5)


def test_the_random_text_repeats_and_fits() -> None:
    model = made("gpt2")
    ids = repeated(model, n=24)
    assert ids.shape == (1, 16)
    assert ids[:, :8].equal(ids[:, 8:])
    assert not repeated(model, seed=1).equal(ids)
    assert repeated(model).equal(ids)
