"""Token-for-token equality with `transformers.generate` on random checkpoints: greedy, beams, batches, end tokens."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import minigpt

transformers = pytest.importorskip("transformers")
ITS_VERSION = tuple(int(number) for number in transformers.__version__.split(".")[:2])


class Pair:
    """The same random checkpoint twice: ours, and transformers' own."""

    def __init__(self, reference: Any, folder: Path) -> None:
        reference.save_pretrained(folder)
        self.model = minigpt.load(str(folder), device="cpu").model
        self.reference = reference
        reference.generation_config.eos_token_id = None  # only what a test names ends a text
        self.n_vocab = self.model.config.vocab_size

    def theirs(self, prompts: list[list[int]], **settings: Any) -> list[list[int]]:
        """New ids by transformers, padded on the left as it wants it, cut after the first end token."""
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
        settings = {"do_sample": False, "pad_token_id": 0} | settings
        with torch.inference_mode():
            found = self.reference.generate(ids, attention_mask=mask, **settings)[:, longest:].tolist()
        ends = settings.get("eos_token_id") or []
        return [row[: next((i + 1 for i, id in enumerate(row) if id in ends), len(row))] for row in found]

    def ours(self, prompts: list[list[int]], **settings: Any) -> Any:
        return minigpt.generate(self.model, prompts, **settings)


@pytest.fixture(scope="module", params=["gpt2", "qwen2"])
def pair(request: Any, tmp_path_factory: pytest.TempPathFactory, random_reference: Callable[..., Any]) -> Pair:
    torch.set_num_threads(1)
    return Pair(random_reference(request.param), tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory, random_reference: Callable[..., Any]) -> Pair:
    """Twelve tokens, all of them likely: end tokens come often, and beams finish at many lengths."""
    torch.set_num_threads(1)
    reference = random_reference("gpt2", vocab_size=12, n_layer=1, n_embd=16, n_head=2)
    with torch.no_grad():
        reference.transformer.ln_f.weight *= 0.3
        reference.transformer.ln_f.bias *= 0.3
    return Pair(reference, tmp_path_factory.mktemp("flat"))


def prompts(draw: random.Random, n: int, n_vocab: int, longest: int = 12) -> list[list[int]]:
    return [[draw.randrange(1, n_vocab) for _ in range(draw.randint(1, longest))] for _ in range(n)]


@pytest.mark.parametrize("seed", range(4))
def test_greedy(pair: Pair, seed: int) -> None:
    for prompt in prompts(random.Random(seed), 5, pair.n_vocab):
        settings = {"max_new_tokens": 30, "eos_token_id": [7]}
        assert pair.ours([prompt], **settings) == pair.theirs([prompt], **settings)


@pytest.mark.parametrize("seed", range(6))
def test_greedy_batch_of_ragged_prompts(pair: Pair, seed: int) -> None:
    draw = random.Random(100 + seed)
    batch = prompts(draw, draw.randint(2, 6), pair.n_vocab)
    settings = {"max_new_tokens": 25, "eos_token_id": draw.sample(range(1, 101), 9)}
    found = pair.ours(batch, **settings)
    assert found == pair.theirs(batch, **settings)
    assert found == [pair.ours([prompt], **settings)[0] for prompt in batch]


@pytest.mark.parametrize("penalty", [0.8, 1.3, 2.0])
def test_greedy_with_repetition_penalty(pair: Pair, penalty: float) -> None:
    for prompt in prompts(random.Random(7), 5, pair.n_vocab):
        settings = {"max_new_tokens": 25, "repetition_penalty": penalty}
        assert pair.ours([prompt], **settings) == pair.theirs([prompt], **settings)


@pytest.mark.skipif(ITS_VERSION < (5, 23), reason="before 5.23 transformers ended some beams otherwise")
@pytest.mark.parametrize("early_stopping", [False, True, "never"])
@pytest.mark.parametrize("num_beams", [2, 3, 4, 5])
def test_beams(flat: Pair, num_beams: int, early_stopping: bool | str) -> None:
    draw = random.Random(f"{num_beams} {early_stopping} no ties")  # texts that score the same may come in any order
    for length_penalty in (-1.5, -0.5, 0.0, 0.6, 1.0, 2.0) * 2:
        settings = {
            "num_beams": num_beams,
            "early_stopping": early_stopping,
            "length_penalty": length_penalty,
            "num_return_sequences": draw.randint(1, num_beams),
            "max_new_tokens": draw.randint(1, 16),
            "eos_token_id": draw.choice([[11], [3, 5], [1, 2, 4]]),
            "repetition_penalty": draw.choice([1.0, 1.3]),
        }
        batch = prompts(draw, draw.randint(1, 3), flat.n_vocab)
        assert flat.ours(batch, **settings) == flat.theirs(batch, **settings), (batch, settings)


@pytest.mark.parametrize("num_beams", [2, 5])
def test_beams_on_a_wider_vocabulary(pair: Pair, num_beams: int) -> None:
    batch = prompts(random.Random(num_beams), 3, pair.n_vocab)
    settings = {"num_beams": num_beams, "max_new_tokens": 20, "eos_token_id": [3, 4, 5], "num_return_sequences": 2}
    assert pair.ours(batch, **settings) == pair.theirs(batch, **settings)


def test_beam_scores_and_logprobs(flat: Pair) -> None:
    prompt, end = [5, 6, 7], [3, 5]
    settings = {"num_beams": 4, "num_return_sequences": 4, "length_penalty": 0.7, "max_new_tokens": 12}
    out = flat.reference.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, 3, dtype=torch.long),
        do_sample=False,
        pad_token_id=0,
        eos_token_id=end,
        output_scores=True,
        return_dict_in_generate=True,
        **settings,
    )
    lm = minigpt.LanguageModel(flat.model)
    found = lm.generate(prompt, eos_token_id=end, **settings)
    assert [c.score for c in found] == pytest.approx(out.sequences_scores.tolist(), abs=1e-5)
    theirs = flat.reference.compute_transition_scores(out.sequences, out.scores, out.beam_indices)
    for completion, row in zip(found, theirs.tolist(), strict=True):
        assert completion.logprobs == pytest.approx(row[: len(completion.ids)], abs=1e-5)


def test_logprobs_are_the_models_own(pair: Pair) -> None:
    prompt = [5, 6, 7, 8]
    out = pair.reference.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, 4, dtype=torch.long),
        do_sample=False,
        max_new_tokens=12,
        pad_token_id=0,
        eos_token_id=None,
        output_logits=True,
        return_dict_in_generate=True,
    )
    completion = minigpt.LanguageModel(pair.model).generate(prompt, max_new_tokens=12, top_logprobs=3)
    theirs = pair.reference.compute_transition_scores(out.sequences, out.logits, normalize_logits=True)[0]
    assert completion.logprobs == pytest.approx(theirs.tolist(), abs=1e-5)
    for logits, best in zip(out.logits, completion.top_logprobs, strict=True):
        top = logits[0].log_softmax(-1).topk(3)
        assert [id for id, _ in best] == top.indices.tolist()
        assert [logprob for _, logprob in best] == pytest.approx(top.values.tolist(), abs=1e-5)


@pytest.mark.parametrize("n_prompt", [46, 47, 48])
def test_up_to_the_edge_of_the_context(pair: Pair, n_prompt: int) -> None:
    n_ctx = pair.model.config.n_ctx
    prompt = [1 + i % 90 for i in range(n_prompt + n_ctx - 48)]
    new = n_ctx - len(prompt)
    assert len(prompt) + new == n_ctx
    if new:
        found = pair.ours([prompt], max_new_tokens=new)
        assert found == pair.theirs([prompt], max_new_tokens=new, eos_token_id=None)
    with pytest.raises(ValueError, match=f"exceed the context of {n_ctx}"):
        pair.ours([prompt], max_new_tokens=new + 1)
