"""The solutions of lessons 08 and 09 are what the project itself computes, so that no lesson can drift away from it."""

from collections.abc import Sequence
from functools import partial

import pytest
import torch
from torch import Tensor

from minigpt.analysis.lens import logit_lens as lens_of_path
from minigpt.analysis.scoring import next_tokens, score
from minigpt.exercises import material
from minigpt.exercises.tasks.beam import beam
from minigpt.exercises.tasks.greedy import greedy
from minigpt.exercises.tasks.logit_lens import logit_lens
from minigpt.exercises.tasks.min_p import min_p
from minigpt.exercises.tasks.next_probs import next_probs
from minigpt.exercises.tasks.perplexity import perplexity
from minigpt.exercises.tasks.sample import sample
from minigpt.exercises.tasks.temperature import temperature
from minigpt.exercises.tasks.top_k import top_k
from minigpt.exercises.tasks.top_p import top_p
from minigpt.generation import sampling
from minigpt.generation.generate import generate
from minigpt.generation.settings import Settings
from minigpt.models.gpt2 import GPT2

V = 23


@pytest.fixture(scope="module")
def model() -> GPT2:
    made = GPT2(material.small_config()).eval().requires_grad_(False)
    shapes = {name: tuple(value.shape) for name, value in made.named_parameters()}
    made.load_state_dict(material.random_state(shapes, seed=40))
    return made


PROMPTS = ([3], [3, 14, 7], [22, 0, 5, 5, 19, 2, 11, 8])


def test_next_probs(model: GPT2) -> None:
    for prompt in PROMPTS:
        probs = next_probs(model(torch.tensor([prompt])).double())[0]
        for token in next_tokens(model, None, prompt, V, Settings(), asked=False):
            assert probs[token.id].item() == pytest.approx(token.probability, rel=1e-5)


def test_perplexity(model: GPT2) -> None:
    for prompt in PROMPTS[1:]:
        ids = torch.tensor(prompt)
        assert perplexity(model(ids[None])[0], ids).item() == pytest.approx(score(model, None, prompt, []).perplexity)


def test_logit_lens(model: GPT2) -> None:
    ids = torch.tensor([PROMPTS[1], PROMPTS[1][::-1]])
    found = logit_lens(model, ids)
    assert torch.allclose(found, lens_of_path(model, ids), atol=1e-6)
    assert torch.allclose(found[-1], model(ids), atol=1e-6)


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, 4.0])
def test_temperature(model: GPT2, t: float) -> None:
    for prompt in PROMPTS:
        probs = temperature(model(torch.tensor([prompt]))[:, -1].double(), t)[0]
        for token in next_tokens(model, None, prompt, V, Settings(temperature=t), asked=True):
            assert probs[token.id].item() == pytest.approx(token.filtered, rel=1e-5)


def scores() -> Tensor:
    return torch.cat([material.activations()["logits"][0], 3 * material.numbers(9, 4096, seed=2)])


@pytest.mark.parametrize("k", [1, 2, 50, 4096, 9999])
def test_top_k(k: int) -> None:
    assert torch.equal(top_k(scores(), k), sampling.top_k(scores(), k))


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.999])
def test_top_p_and_min_p(share: float) -> None:
    assert torch.equal(top_p(scores(), share), sampling.top_p(scores(), share))
    assert torch.equal(min_p(scores(), share), sampling.min_p(scores(), share))


def test_sample_draws_as_often_as_the_path() -> None:
    """By another rule, an exponential race; so what agrees is how often each token comes."""
    n, probs = 20_000, material.numbers(7, seed=8).softmax(dim=-1)
    u = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    often = sample(probs.expand(n, -1), u).bincount(minlength=7) / n
    assert torch.allclose(often.double(), probs, atol=2 / n)
    numbers = torch.rand(n, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.allclose(sampling.draw(probs.expand(n, -1), numbers).bincount(minlength=7) / n, often, atol=0.02)


def after(model: GPT2, ids: Sequence[int]) -> Tensor:
    """The logits of the next token, as the exercises ask a model for them."""
    return model(torch.tensor([ids]))[0, -1]


def test_greedy(model: GPT2) -> None:
    """With each token that it says as the one that ends the text, and past the context."""
    lengths = set()
    for prompt in PROMPTS:
        said = generate(model, prompt, max_new_tokens=9, context="slide")
        for eos in {*said, V}:
            new = greedy(partial(after, model), prompt, 9, eos, model.config.n_ctx)
            path = generate(model, prompt, max_new_tokens=9, eos_token_id=(eos,), context="slide") if eos < V else said
            assert new == [id for id in path if id != eos]
            lengths.add(len(new))
    assert {0, 9} < lengths


@pytest.mark.parametrize("width", [2, 3])
def test_beam(model: GPT2, width: int) -> None:
    ended = []
    for prompt in PROMPTS[:2]:
        for eos in generate(model, prompt, max_new_tokens=4, num_beams=width):
            path = generate(
                model, prompt, max_new_tokens=4, num_beams=width, eos_token_id=(eos,), early_stopping="never"
            )
            assert beam(partial(after, model), prompt, 4, width, eos) == path
            ended.append(path[-1] == eos)
    assert any(ended)
