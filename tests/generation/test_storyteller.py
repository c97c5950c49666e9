"""The embedded model writes the same text as transformers does with the same files."""

from pathlib import Path
from typing import Any

import pytest
import torch

import minigpt
import weights
from minigpt.language_model import LanguageModel

FOLDER = Path(weights.__file__).parent / "storyteller"
pytestmark = pytest.mark.skipif(not (FOLDER / "model.safetensors").exists(), reason="no embedded weights yet")
PROMPTS = ["Once upon a time", "The king", "“Who are you?” said the fox", "\n"]


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return minigpt.load("storyteller", device="cpu")


@pytest.fixture(scope="module")
def reference() -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.GPT2LMHeadModel.from_pretrained(FOLDER, dtype=torch.float32).eval()


def theirs(reference: Any, ids: list[int], n: int, **settings: Any) -> list[int]:
    mask = torch.ones(1, len(ids), dtype=torch.long)
    with torch.inference_mode():
        found = reference.generate(
            torch.tensor([ids]), attention_mask=mask, do_sample=False, max_new_tokens=n, pad_token_id=0, **settings
        )
    return found[0, len(ids) :].tolist()


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy(lm: LanguageModel, reference: Any, prompt: str) -> None:
    expected = theirs(reference, lm.encode(prompt), 40)
    assert lm.generate(prompt, max_new_tokens=40, temperature=0).ids == expected
    assert lm.generate(prompt, max_new_tokens=40, temperature=0, prompt_lookup_num_tokens=5).ids == expected


@pytest.mark.parametrize("num_beams", [2, 5])
def test_beams(lm: LanguageModel, reference: Any, num_beams: int) -> None:
    for prompt in PROMPTS[:2]:
        expected = theirs(reference, lm.encode(prompt), 25, num_beams=num_beams)
        assert lm.generate(prompt, max_new_tokens=25, num_beams=num_beams).ids == expected


def test_a_batch_and_its_rows(lm: LanguageModel) -> None:
    for settings in ({"temperature": 0}, {"temperature": 0.9, "top_p": 0.95, "seed": 7}):
        alone = [lm.generate(p, max_new_tokens=30, **settings).ids for p in PROMPTS]
        assert [c.ids for c in lm.generate(PROMPTS, max_new_tokens=30, **settings)] == alone


def test_text_is_what_the_ids_say(lm: LanguageModel) -> None:
    found = lm.generate("Once upon a time", max_new_tokens=30, seed=0, eos_token_id=())
    assert lm.tokenizer is not None
    assert found.text == lm.tokenizer.decode(found.ids)
    assert "".join(lm.stream("Once upon a time", max_new_tokens=30, seed=0, eos_token_id=())) == found.text
