"""The tree is the search's own: its winner is what `generate` gives, and its scores are the model's."""

import pytest
import torch

from minigpt import beam_tree
from minigpt.analysis.beam_tree import BeamNode
from minigpt.generation.generate import generate
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2

PROMPT = [3, 14, 15]


@pytest.fixture(scope="module")
def model() -> GPT2:
    torch.manual_seed(4)
    made = GPT2(GPT2Config(vocab_size=30, n_ctx=24, n_layer=2, n_head=4, n_embd=24))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def text_of(nodes: list[BeamNode], at: int | None) -> list[int]:
    """The tokens from the prompt to a node."""
    return [] if at is None else [*text_of(nodes, nodes[at].parent), nodes[at].id]


@pytest.mark.parametrize("ends", [(), (7,), (7, 9, 11)])
@pytest.mark.parametrize("num_beams", [2, 3, 5])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, -1.5])
def test_the_winner_is_what_generate_gives(
    model: GPT2, ends: tuple[int, ...], num_beams: int, length_penalty: float
) -> None:
    settings = {"num_beams": num_beams, "length_penalty": length_penalty, "max_new_tokens": 6, "eos_token_id": ends}
    nodes = beam_tree(model, PROMPT, **settings)  # type: ignore[arg-type]
    best = [i for i, node in enumerate(nodes) if node.best]
    assert text_of(nodes, best[-1]) == generate(model, PROMPT, **settings)  # type: ignore[call-overload]
    assert nodes[best[-1]].state == "finished"
    finished = [node.score for node in nodes if node.score is not None]
    assert nodes[best[-1]].score == max(finished)


def test_the_scores_are_the_models(model: GPT2) -> None:
    """Every node, dropped ones too: the log-probability of its token after all before it, and their sum."""
    nodes = beam_tree(model, PROMPT, num_beams=3, max_new_tokens=4, eos_token_id=())
    for i, node in enumerate(nodes):
        text = [*PROMPT, *text_of(nodes, i)]
        with torch.no_grad():
            logprobs = model(torch.tensor([text])).log_softmax(-1)[0]
        steps = [logprobs[t - 1, text[t]].item() for t in range(len(PROMPT), len(text))]
        assert node.logprob == pytest.approx(steps[-1], abs=1e-4)
        assert node.total == pytest.approx(sum(steps), abs=1e-4)
        assert node.depth == len(steps)


def test_losers_are_those_that_scored_less(model: GPT2) -> None:
    nodes = beam_tree(model, PROMPT, num_beams=3, max_new_tokens=5, eos_token_id=(7,))
    for depth in range(1, 6):
        here = [node for node in nodes if node.depth == depth]
        assert [node.total for node in here] == sorted((node.total for node in here), reverse=True)
        kept = [node.total for node in here if node.state == "kept"]
        lost = [node.total for node in here if node.state == "dropped" and node.id != 7]
        assert not kept or not lost or min(kept) >= max(lost)
        assert len(kept) <= 3
    assert all(nodes[node.parent].state == "kept" for node in nodes if node.parent is not None)


def test_one_beam_is_no_tree(model: GPT2) -> None:
    with pytest.raises(ValueError, match="num_beams is 1: a tree needs 2 beams or more"):
        beam_tree(model, PROMPT, max_new_tokens=3)
    with pytest.raises(ValueError, match="id 30 is not in the vocabulary"):
        beam_tree(model, [30], num_beams=2)
