"""The embedded storyteller-chat: a model that answers, offline; what it can is no more than its card says."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import minigpt
from minigpt.cli import main
from minigpt.language_model import LanguageModel
from minigpt.train.questions import BEING, EXACT
from weights import STORYTELLER, STORYTELLER_CHAT

PASSAGE = "The old king went into the forest, and there he met a wolf."
PASSAGES = (  # none of them from a tale
    PASSAGE,
    "A poor tailor lived in a hut with his wife.",
    "The princess gave the frog a golden ring, and then she went home.",
    "One evening the fox came to the house of the bear, because he was hungry.",
    "The soldier took his sword and killed the dragon.",
    "In the garden stood a girl who fed the birds.",
    "The miller had a donkey, and he was very proud of it.",
    "The witch laughed, and the children ran away.",
)


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return minigpt.load("storyteller-chat", device="cpu")


def answer(lm: LanguageModel, question: str) -> Any:
    return lm.chat([{"role": "user", "content": question}], temperature=0, max_new_tokens=60)


def test_it_is_of_the_storytellers_size_and_vocabulary(lm: LanguageModel) -> None:
    sizes = [json.loads((folder / "config.json").read_text("utf-8")) for folder in (STORYTELLER, STORYTELLER_CHAT)]
    for name in ("n_layer", "n_head", "n_embd", "n_positions", "vocab_size"):
        assert sizes[0][name] == sizes[1][name]
    assert (STORYTELLER / "vocab.json").read_bytes() == (STORYTELLER_CHAT / "vocab.json").read_bytes()
    assert sum(file.stat().st_size for file in STORYTELLER_CHAT.glob("*.safetensors")) < 12e6
    assert lm.report is not None
    assert lm.report.self_check.startswith("passed")


def test_it_names_who_is_in_a_passage(lm: LanguageModel) -> None:
    """Greedily, in passages that it has not seen: somebody who is there, if not all of them; the storyteller, asked so,
    goes on with the text."""
    teller = minigpt.load("storyteller", device="cpu")
    named, told = [], []
    for passage in PASSAGES:
        asked = f"Who is in this passage?\n{passage}"
        beings = BEING.findall(passage)
        found = answer(lm, asked).text, teller.generate(asked, temperature=0, max_new_tokens=20).text
        for text, kept in zip(found, (named, told), strict=True):
            words = text.strip().removesuffix(".").replace(" and ", ", ").lower().split(", ")
            kept.append(all(word.removeprefix("the ") in beings for word in words))
    assert sum(named) >= 6
    assert sum(told) == 0


@pytest.mark.parametrize("question", ["Where is it?", "What happened next?", "Say it shorter.", "Continue:"])
def test_its_answers_end_by_themselves(lm: LanguageModel, question: str) -> None:
    ended = [answer(lm, f"{question}\n{passage}") for passage in PASSAGES]
    assert all(found.text.strip() for found in ended)
    assert sum(found.finish_reason == "eos" for found in ended) > len(ended) / 2


def test_it_speaks_of_whom_it_is_asked_about(lm: LanguageModel) -> None:
    beings = ("king", "princess", "fox", "soldier", "witch", "fisherman")
    assert sum(being in answer(lm, f"Tell me about a {being}.").text for being in beings) >= len(beings) / 2


def test_transformers_reads_the_folder_and_its_template(lm: LanguageModel) -> None:
    transformers = pytest.importorskip("transformers")
    talk = [{"role": "user", "content": f"Where is it?\n{PASSAGE}"}]
    tokenizer = transformers.AutoTokenizer.from_pretrained(STORYTELLER_CHAT)
    text = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    assert text == lm.chat_format().text(talk)
    model = transformers.GPT2LMHeadModel.from_pretrained(STORYTELLER_CHAT, dtype=torch.float32).eval()
    ids = torch.tensor([lm.chat_format().ids(talk)])
    found = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=30, pad_token_id=0,
        repetition_penalty=1.0,
    )  # fmt: skip
    assert found[0, ids.shape[1] :].tolist() == lm.chat(talk, temperature=0, max_new_tokens=30).ids


def test_two_embedded_models_side_by_side(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any) -> None:
    """Completion against instruction tuning without a network and without a download."""
    monkeypatch.setenv("MINIGPT_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert main(["compare", f"Who is this about?\n{PASSAGE}", "--json", "-n", "20", "--device", "cpu"]) == 0
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert [one["model"] for one in answers] == ["storyteller", "storyteller-chat", "storyteller-chat"]


def test_the_rules_are_those_of_its_card() -> None:
    card = (STORYTELLER_CHAT / "README.md").read_text("utf-8")
    for kind in EXACT:
        assert f"| {kind} |" in card
