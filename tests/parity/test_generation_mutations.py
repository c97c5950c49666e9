"""The equalities with the plain loop and with transformers are not blind: undo one thing, and they fail."""

import inspect
import random
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import minigpt
from minigpt.generation import beam_search as beam
from minigpt.generation import decoding, simple
from minigpt.generation import prompt_lookup as lookup
from minigpt.generation.noise import sequence_key
from minigpt.generation.sampling import sample
from minigpt.generation.sequences import plan
from minigpt.generation.settings import Settings


def mutant(module: ModuleType, old: str, new: str) -> ModuleType:
    """The module with one piece of its source replaced."""
    source = inspect.getsource(module)
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {module.__name__}"
    changed = ModuleType(module.__name__)
    exec(compile(source.replace(old, new), module.__name__, "exec"), changed.__dict__)
    return changed


def texts(strategy: Callable[..., Any], model: Any, prompts: list[list[int]], settings: Settings) -> list[list[int]]:
    rows = plan(model, prompts, settings)
    given = (settings, sample) if "sample" in inspect.signature(strategy).parameters else (settings,)
    for _ in strategy(model, rows, *given):
        pass
    return [row.new_ids for row in rows]


def load(folder: Path) -> Any:
    torch.set_num_threads(1)
    return minigpt.load(str(folder), device="cpu").model


@pytest.fixture(scope="module")
def model(random_checkpoint: Callable[..., Path]) -> Any:
    return load(random_checkpoint("gpt2"))


PROMPTS = [[1, 2, 3, 4, 5, 6], [7], [8, 9, 10]]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[len(sequence.ids) - 1]", "[len(sequence.ids)]"),  # a position too far
        ("[len(text) - 1 for text in texts]", "[longest - 1 for text in texts]"),  # the pad's logits
        ("text + [0] * (longest - len(text))", "[0] * (longest - len(text)) + text"),  # padding on the left
        ("cache.first(longest))[:, -1])", "cache.first(longest - 1))[:, -1])"),  # the cache cut short
        ("sequence.ids[-1:]", "sequence.ids[:1]"),  # the first token for the newest
    ],
)
def test_the_loop(model: Any, old: str, new: str) -> None:
    settings = Settings(max_new_tokens=20)
    right = texts(decoding.decode, model, PROMPTS, settings)
    assert right == [texts(decoding.decode, model, [prompt], settings)[0] for prompt in PROMPTS]
    try:
        wrong = texts(mutant(decoding, old, new).decode, model, PROMPTS, settings)
    except (IndexError, RuntimeError):
        return
    assert wrong != right


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[len(ids) - 1]", "[len(ids) - 2]"),  # a position too near
        ("x[:, -1]", "x[:, 0]"),  # after the first token of the prompt, not the last
        ("torch.tensor([step])", "torch.tensor([0])"),  # every step draws the same numbers
        ("[ids[-1:]]", "[ids[:1]]"),  # another token is fed in than was drawn
        ("cache.first(len(ids)))  # decode", "KVCache(model.config, 1, len(ids)))  # decode"),  # an empty past
    ],
)
def test_the_simple_loop(model: Any, old: str, new: str) -> None:
    settings = Settings(max_new_tokens=20, temperature=0.7, repetition_penalty=1.4, seed=3)
    key = sequence_key(3, 0, PROMPTS[0])

    def run(module: ModuleType) -> list[int]:
        return [id for id, _ in islice(module.next_ids(model, PROMPTS[0], 20, settings, key), 20)]

    right = run(simple)
    assert texts(decoding.decode, model, [PROMPTS[0], PROMPTS[2]], settings)[0] == right  # the loop for batches
    assert run(mutant(simple, old, new)) != right


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("guess[i : i + 1] != sequence.ids[-1:]", "i >= len(guess)"),  # drafts believed unseen
        ("logits[:, i]", "logits[:, 0]"),
        ("pos = len(sequence.ids) - 1 +", "pos = len(sequence.ids) - 2 +"),
    ],
)
def test_look_up(model: Any, old: str, new: str) -> None:
    settings = Settings(max_new_tokens=24, prompt_lookup_num_tokens=4)
    prompts = [[1, 2, 3, 4, 1, 2, 3, 4, 1, 2]]
    right = texts(decoding.decode, model, prompts, settings)
    assert texts(lookup.look_ahead, model, prompts, settings) == right
    assert texts(mutant(lookup, old, new).look_ahead, model, prompts, settings) != right


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("length**settings.length_penalty, beam", "(length + 1) ** settings.length_penalty, beam"),
        ("beam.total / length**settings.length_penalty, beam", "beam.total, beam"),
        ("ranked[:n_beams]", "ranked"),  # spares may finish, too
        ("limit if far else length", "length"),
        ("limit if far else length", "limit"),
        ("if settings.early_stopping is True:\n        return False", "if False:\n        return False"),
        ("finished[-1][0]", "finished[0][0]"),
        (
            "[beam.parent for beam in step.running]",
            "[0 for beam in step.running]",
        ),  # all have the best beam's past
        ("max(2, 1 + len(settings.eos_token_id))", "1"),
    ],
)
def test_beams(random_checkpoint: Callable[..., Path], old: str, new: str) -> None:
    """test_generation.py holds the right search equal to transformers; here a changed one must differ from it."""
    model = load(random_checkpoint("gpt2", vocab_size=12, n_layer=1, n_embd=16, n_head=2))
    model.ln_f.weight.data *= 0.3  # all tokens are likely, so that beams end at many lengths
    model.ln_f.bias.data *= 0.3
    changed, draw = mutant(beam, old, new), random.Random(0)
    for i in range(150):
        settings = Settings(
            num_beams=2 + i % 4,
            early_stopping=[False, True, "never"][i % 3],
            length_penalty=draw.choice([-0.5, 0.6, 1.0, 2.0]),
            max_new_tokens=draw.randint(6, 14),
            eos_token_id=draw.choice([(11,), (3, 5), (1, 2, 4)]),
            num_return_sequences=2,
        )
        prompts = [[draw.randrange(1, 12) for _ in range(draw.randint(1, 8))]]
        right, wrong = (texts(module.search, model, prompts, settings) for module in (beam, changed))
        if right != wrong:
            return
    pytest.fail("150 searches came out the same")
