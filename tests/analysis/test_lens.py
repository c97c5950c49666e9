"""The analyses: what they say about models in which the answer is known."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from minigpt import logit_lens
from minigpt.analysis import heads
from minigpt.analysis.activations import patch, record
from minigpt.analysis.heads import (
    ablation_scores,
    attention_entropy,
    attention_maps,
    first_token_scores,
    head_scores,
    induction_scores,
    loss,
    previous_token_scores,
    repeated,
)
from minigpt.analysis.lens import addition_norms, logit_attribution, stream_norms
from minigpt.generation.generate import generate
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
        model = Llama(LlamaConfig(**sizes, tied=family == "qwen3", qk_norm=family == "qwen3"))  # type: ignore[arg-type]
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture(params=["gpt2", "llama", "qwen3"])
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
    flow = [seen["h.0.in"], *(seen[f"h.{i}.{at}"] for i in range(3) for at in ("mid", "out"))]
    torch.testing.assert_close(stream_norms(model, IDS), torch.stack([x.square().sum(-1).sqrt() for x in flow]))
    adds = [flow[0], *(after - before for before, after in itertools.pairwise(flow))]
    torch.testing.assert_close(addition_norms(model, IDS), torch.stack([x.square().sum(-1).sqrt() for x in adds]))


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
    more, other = (logit_attribution(model, IDS, 7, position, **given) for given in ({"against": 5}, {}))
    less = logit_attribution(model, IDS, 5, position)
    assert more == pytest.approx({name: other[name] - less[name] for name in less}, abs=1e-4)


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
    assert losses[[0, 1], [1, 0]].abs().max() < 1e-5  # what writes nothing is not missed
    assert head_scores(model, ids, "induction").argmax() == 3  # head 1 of layer 1, also on a random text
    with pytest.raises(ValueError, match="a text of 1 token leaves a head no choice"):
        head_scores(model, ids[:, :1], "first")


@pytest.mark.parametrize("at_once", [512, 18, 1])
def test_ablation_is_the_loss_without_the_rows(
    model: GPT2 | Llama, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each head, however many are knocked out side by side, for two texts at once."""
    monkeypatch.setattr(heads, "TOKENS_AT_ONCE", at_once)
    ids = torch.cat((IDS, IDS.flip(1) + 1))
    scores, before = ablation_scores(model, ids), loss(model, ids)
    for i, j in itertools.product(range(3), range(4)):
        weight = projection(model, i)
        kept = weight.clone()
        weight[:, 6 * j : 6 * j + 6] = 0
        assert scores[i, j].item() == pytest.approx(loss(model, ids) - before, abs=1e-5)
        weight.copy_(kept)
    assert loss(model, ids) == before, "the model is as it was"


def projection(model: GPT2 | Llama, layer: int) -> Tensor:
    """The weights (C, H · D) by which a block's heads write into the stream."""
    block: Any = model.h[layer] if isinstance(model, GPT2) else model.layers[layer]
    found: Tensor = (block.attn.c_proj if isinstance(model, GPT2) else block.self_attn.o_proj).weight.detach()
    return found


def test_generation_without_a_head_is_that_of_a_model_without_its_rows(model: GPT2 | Llama) -> None:
    """With a cache, pass by pass: the same tokens, the same logits; weights sum to 1, and none is on the future."""
    settings = {"max_new_tokens": 5, "eos_token_id": ()}
    with record(model, ["logits", "h.*.attn.weights"], every=True) as seen, patch(model, {"h.1.attn.heads[:, 2]": 0}):
        patched = generate(model, [3, 14, 15], **settings)  # type: ignore[call-overload]
    assert not seen.passes[0]["logits"].allclose(model(torch.tensor([[3, 14, 15]]))[:, -1:], atol=0.1)
    projection(model, 1)[:, 12:18] = 0
    with record(model, "logits", every=True) as without:
        assert generate(model, [3, 14, 15], **settings) == patched  # type: ignore[call-overload]
    assert len(seen.passes) == len(without.passes) == 5
    for n, (one, other) in enumerate(zip(seen.passes, without.passes, strict=True)):
        torch.testing.assert_close(one["logits"], other["logits"], rtol=1e-4, atol=1e-4)
        for i in range(3):
            weights = one[f"h.{i}.attn.weights"]  # (1, H, T, S)
            torch.testing.assert_close(weights.sum(-1), torch.ones(1, 4, 1 if n else 3))
            assert not weights[..., 3 + n :].any()
            assert not weights[..., :3, :3].triu(1).any() or n


def test_where_heads_look_is_told_in_numbers() -> None:
    """All at the first token; all alike; half at itself, half at the token before."""
    n = 8
    sink = torch.zeros(n, n)
    sink[:, 0] = 1
    alike = torch.ones(n, n).tril() / torch.arange(1, n + 1)[:, None]
    pair = torch.eye(n) / 2 + torch.eye(n).roll(-1, 1).tril() / 2
    pair[0, 0] = 1
    maps = torch.stack((sink, alike, pair))[:, None]  # (L, 1, T, T)
    torch.testing.assert_close(maps.sum(-1), torch.ones(3, 1, n))
    bits = sum(math.log2(t) for t in range(2, n + 1)) / (n - 1)
    torch.testing.assert_close(attention_entropy(maps)[:, 0], torch.tensor([0.0, bits, 1.0]))
    shares = sum(1 / t for t in range(2, n + 1)) / (n - 1)
    torch.testing.assert_close(first_token_scores(maps)[:, 0], torch.tensor([1.0, shares, 0.5 / (n - 1)]))
    torch.testing.assert_close(previous_token_scores(maps)[:, 0], torch.tensor([1 / (n - 1), shares, 0.5]))


def test_the_random_text_repeats_and_fits() -> None:
    model = made("gpt2")
    ids = repeated(model, n=24)
    assert ids.shape == (1, 16)
    assert ids[:, :8].equal(ids[:, 8:])
    assert not repeated(model, seed=1).equal(ids)
    assert repeated(model).equal(ids)
