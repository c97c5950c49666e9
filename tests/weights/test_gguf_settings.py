"""What a GGUF file's header says of ends, of the tokens around a text and of sampling reaches generation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigpt
import tokenizer
from tests.weights.gguf_files import write
from tokenizer.formats.tokenizer_json import to_json, vocab_of
from weights import load_checkpoint
from weights.families.gguf_settings import read_generation_config

T = "tokenizer.ggml."
SPECIAL = ("<s>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<plain>")
TEMPLATE = "{% for m in messages %}{{ m.role }} {{ m.content }}{% endfor %}assistant "
NAMES = ["a", "</s>", "<|im_end|>", "<|endoftext|>", "<x>", "<|end|>", "<|return|>", "<|call|>"]


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ({"eos_token_id": 4}, 4),
        ({"eos_token_id": 4, "eot_token_id": 0}, [4, 0]),
        ({"eos_token_id": 4, "eot_token_id": 0, "eom_token_id": 3}, [4, 0, 3]),
        ({"eom_token_id": 3}, 3),
        ({"eos_token_id": 4, "fim_pad_token_id": 0, "fim_sep_token_id": 0}, [4, 0]),
        ({"eos_token_id": 4, "eot_token_id": 4}, 4),
        ({"eos_token_id": 2**32 - 1, "eot_token_id": 0}, 0),
        ({"eos_token_id": 4, "tokens": NAMES[:5], "token_type": [1, 3, 3, 4, 3]}, [4, 2, 3, 1]),
        ({"eos_token_id": 4, "tokens": NAMES[:5], "token_type": [1, 1, 1, 1, 3]}, 4),
        ({"tokens": NAMES, "token_type": [1, 3, 3, 3, 3, 3, 3, 1]}, [2, 5, 6, 3, 1]),
        ({"tokens": NAMES, "token_type": [1, 3, 3, 3, 3, 3, 3, 3], "eot_token_id": 5}, [2, 6, 7, 3, 1]),
    ],
)
def test_every_end(values: dict[str, Any], ends: Any) -> None:
    assert read_generation_config({T + key: value for key, value in values.items()})["eos_token_id"] == ends


def test_recommended_sampling() -> None:
    values = {"temp": 0.7, "top_k": 20, "top_p": 0.8, "min_p": 0.05, "penalty_repeat": 1.0}
    given = {f"general.sampling.{name}": value for name, value in values.items()}
    expected = {"temperature": 0.7, "top_k": 20, "top_p": 0.8, "min_p": 0.05, "do_sample": True}
    assert read_generation_config(given) == expected
    assert read_generation_config({"general.sampling.temp": 0.0}) == {"temperature": 0.0, "do_sample": False}
    assert read_generation_config({T + "suppress_tokens": [3, 5]}) == {"suppress_tokens": [3, 5]}


@pytest.fixture
def talker(random_reference: Callable[..., Any], tmp_path: Path) -> Callable[..., Path]:
    """A Llama that says one token whatever it is asked, in a file whose header holds further values."""
    tok = tokenizer.train("the cat sat on the mat " * 50, 270, special_tokens=SPECIAL)
    vocab, merges = vocab_of(tok.vocabulary), to_json(tok.vocabulary)["model"]["merges"]
    model = random_reference(
        "llama",
        vocab_size=tok.n_vocab,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )

    def make(says: str, **values: Any) -> Path:
        model.lm_head.weight.data.zero_()
        model.lm_head.weight.data[tok.special_tokens[says]] = 1.0
        model.model.norm.weight.data.fill_(1.0)
        model.model.embed_tokens.weight.data.abs_().add_(9.0)
        given = {
            "tokenizer__ggml__model": "gpt2",
            "tokenizer__ggml__pre": "gpt-2",
            "tokenizer__chat_template": TEMPLATE,
            "tokenizer__ggml__tokens": list(vocab),
            "tokenizer__ggml__token_type": [3 if name in SPECIAL else 1 for name in vocab],
            "tokenizer__ggml__merges": [" ".join(merge) for merge in merges],
        }
        given |= {f"tokenizer__ggml__{key}": value for key, value in values.items()}
        write(tmp_path / "m.gguf", model, **{key: value for key, value in given.items() if value is not None})
        return tmp_path / "m.gguf"

    return make


def id_of(name: str) -> int:
    return 270 - len(SPECIAL) + SPECIAL.index(name)


@pytest.mark.parametrize(
    ("says", "values"),
    [
        ("<|end_of_text|>", {"eos_token_id": id_of("<|end_of_text|>")}),
        ("<|eot_id|>", {"eos_token_id": id_of("<|end_of_text|>"), "eot_token_id": id_of("<|eot_id|>")}),
        ("<|eom_id|>", {"eos_token_id": id_of("<|end_of_text|>"), "eom_token_id": id_of("<|eom_id|>")}),
        ("<|eot_id|>", {"eos_token_id": id_of("<|end_of_text|>")}),
        ("<plain>", {"eos_token_id": id_of("<|end_of_text|>"), "eot_token_id": id_of("<plain>")}),
    ],
)
def test_a_chat_ends_at_each(says: str, values: dict[str, int], talker: Callable[..., Path]) -> None:
    answer = minigpt.load(talker(says, **values), "cpu").chat([{"role": "user", "content": "the"}], max_new_tokens=5)
    assert (answer.finish_reason, answer.ids) == ("eos", [id_of(says)])


def test_a_chat_goes_on_at_others(talker: Callable[..., Path]) -> None:
    lm = minigpt.load(talker("<plain>", eos_token_id=id_of("<|end_of_text|>")), "cpu")
    assert lm.chat([{"role": "user", "content": "the"}], max_new_tokens=5).finish_reason == "length"


@pytest.mark.parametrize(
    ("values", "around"),
    [
        ({}, ((), ())),
        ({"bos_token_id": id_of("<s>")}, ((), ())),
        ({"bos_token_id": id_of("<s>"), "add_bos_token": True}, ((id_of("<s>"),), ())),
        ({"bos_token_id": id_of("<s>"), "add_bos_token": False, "pre": "llama-bpe"}, ((), ())),
        ({"bos_token_id": id_of("<s>"), "pre": "llama-bpe"}, ((id_of("<s>"),), ())),
        ({"eos_token_id": id_of("<|eot_id|>"), "add_eos_token": True}, ((), (id_of("<|eot_id|>"),))),
    ],
)
def test_what_stands_around_a_text(values: dict[str, Any], around: Any, talker: Callable[..., Path]) -> None:
    tok = load_checkpoint(talker("<s>", **values), "cpu").tokenizer
    assert tok is not None
    assert (tok.vocabulary.before, tok.vocabulary.after) == around


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"add_bos_token": True}, "add_bos_token is true, but there is no tokenizer.ggml.bos_token_id"),
        ({"add_eos_token": True}, "add_eos_token is true, but there is no tokenizer.ggml.eos_token_id"),
        ({"add_bos_token": 1, "bos_token_id": 3}, "add_bos_token should be true or false, not 1"),
        ({"eos_token_id": 270}, "eos_token_id is 270, the vocabulary has the ids 0 to 269"),
        ({"eot_token_id": 2**31}, "eot_token_id is 2147483648, the vocabulary has the ids 0 to 269"),
        ({"eos_token_id": "<s>"}, "eos_token_id should be a number, not '<s>'"),
        ({"add_space_prefix": True}, "add_space_prefix is True, which this tokenizer cannot represent exactly"),
        ({"remove_extra_whitespaces": True}, "remove_extra_whitespaces is True"),
        ({"normalizer__lowercase": True}, "normalizer.lowercase is True"),
        ({"add_sep_token": True}, "add_sep_token is True"),
        ({"pre": None}, "the pattern is None (tokenizer.ggml.pre), known are gpt-2"),
        ({"pre": "default"}, "the pattern is 'default'"),
        ({"model": "llama"}, "the tokenizer is 'llama', not byte-pair encoding"),
        ({"model": "bert"}, "the tokenizer is 'bert'"),
        ({"tokens": ["a"] * 270}, "tokens has 'a' 270 times"),
        ({"token_type": [6] * 270}, "is 6, not one of 1 to 5"),
    ],
)
def test_a_vocabulary_that_is_refused(values: dict[str, Any], says: str, talker: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=r"m\.gguf: ") as caught:
        load_checkpoint(talker("<s>", **values), "cpu")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_vocabulary(talker: Callable[..., Path]) -> None:
    path = talker("<s>", model="none", tokens=None, token_type=None, merges=None)
    assert load_checkpoint(path, "cpu").tokenizer is None


def test_a_tensor_too_many(random_reference: Callable[..., Any], tmp_path: Path) -> None:
    write(tmp_path / "m.gguf", random_reference("llama"), tensors={"blk.0.extra.weight": np.zeros(4, np.float32)})
    with pytest.raises(ValueError, match=r"m\.gguf: .*unexpected .*blk\.0\.extra\.weight"):
        load_checkpoint(tmp_path / "m.gguf", "cpu")
