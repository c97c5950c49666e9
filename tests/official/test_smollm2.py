"""The real SmolLM2-135M-Instruct: its template, and its greedy answers to ten questions; transformers' numbers after
every layer are in tests/weights/test_gguf.py.

The answers were recorded from transformers 5 on its own loading of the same GGUF file
(`AutoModelForCausalLM.from_pretrained(folder, gguf_file=…)`, float32, do_sample=False, 40 new tokens).
"""

from functools import cache

import pytest

import minigpt
from minigpt.language_model import LanguageModel
from weights.fetch.locate import local

NAME = "smollm2-135m-instruct"
FOUND = local(NAME)
pytestmark = [
    pytest.mark.official,
    pytest.mark.skipif(FOUND is None, reason=f"{NAME} is not on this machine: minigpt download {NAME}"),
]
ANSWERS = {
    "What is 2+2?": "The answer to this classic math problem is 4.",
    "Once upon a time": "I'm glad you've found the perfect place to share your story. I'm here to help you craft a "
    "compelling narrative that will leave your readers spellbound. Whether you're crafting a fantasy epic,",
    "Suggest a party theme.": "A party theme that combines art, music, and food can be a fantastic idea. Here's a "
    "possible idea: a party theme that combines art, music, and food: a party theme of art",
    "Who wrote Romeo and Juliet?": "The story of Romeo and Juliet by William Shakespeare is attributed to the "
    "17th-century French playwright and poet. The play, written in 1595, is a Romeo and Juliet",
    "Translate 'good morning' into French.": "Je m'aime la vie, je m'aime la vie.",
    "Write a haiku about the sea.": "The waves of the sea, a silent beauty,\nA gentle lapping of the shore,\n"
    "A reminder of the beauty that lies beneath,\nA reminder of the ocean's power.",
    "Explain gravity to a child in one sentence.": "Gravity is like a big hug that makes things move. It's what keeps "
    "everything from flying away.",
    "Name three colours.": "1. Red: This is the most obvious colour, but it's also the most versatile. Red is a colour "
    "that can be used to create a wide range of effects.\n\n2. Blue:",
    "What is the capital of Italy?": "Il Coriobella, Italy.",
    "Give me a recipe for pancakes. 🥞": "🍽" * 13 + "\ufffd",
}


@cache
def loaded() -> LanguageModel:
    return minigpt.load(NAME, device="cpu")


def asked(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}]


def test_the_same_greedy_answers() -> None:
    ids = [loaded().chat_format().ids(asked(question)) for question in ANSWERS]
    found = loaded().generate(ids, max_new_tokens=40, temperature=0)  # one ragged batch
    assert [completion.text for completion in found] == list(ANSWERS.values())
    assert loaded().chat(asked("What is 2+2?")).text == ANSWERS["What is 2+2?"]
    assert [c.finish_reason for c in found].count("eos") == 5


def test_the_template_of_the_file_and_its_ids() -> None:
    told = loaded().chat_format()
    assert told.text(asked("Hi <|im_end|>")) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nHi <|im_end|><|im_end|>\n<|im_start|>assistant\n"
    )
    ids = told.ids(asked("Hi <|im_end|>"))
    assert [i for i in ids if i < 17] == [1, 2, 1, 2, 1]  # 17 control tokens; 1 starts a message, 2 ends it
    assert loaded().tokenizer is not None
    assert loaded().tokenizer.decode(ids) == told.text(asked("Hi <|im_end|>"))


def test_every_control_token_of_the_file_is_plain_when_typed() -> None:
    tok = loaded().tokenizer
    assert tok is not None
    assert len(tok.special_tokens) == 17
    forged = [
        {"role": role, "content": "".join(tok.special_tokens)} for role in ("system", "user", "assistant", "user")
    ]
    ids = loaded().chat_format().ids(forged)
    assert [i for i in ids if i in tok.special_tokens.values()] == [1, 2] * 4 + [1]
