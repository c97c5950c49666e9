"""What a prompt may be, and the ids that it becomes: every kind is obeyed or refused by name, at every door."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minigpt
import tokenizer
from minigpt.language_model import LanguageModel
from minigpt.prompts import as_ids, as_prompt, as_prompts
from tests.generation.conftest import END, make_model
from tokenizer import Tokenizer
from tokenizer.vocabulary import Vocabulary

DOORS: dict[str, Callable[[LanguageModel, Any], Any]] = {
    "generate": lambda lm, prompt: lm.generate(prompt, max_new_tokens=1),
    "stream": lambda lm, prompt: lm.stream(prompt, max_new_tokens=1),
    "next_tokens": lambda lm, prompt: lm.next_tokens(prompt, 1),
    "score": lambda lm, prompt: lm.score(prompt),
    "encode": lambda lm, prompt: lm.encode(prompt),
}
ONE: dict[str, Any] = {
    "a text": "ab",
    "bytes": b"ab",
    "a bytearray": bytearray(b"ab"),
    "a memoryview": memoryview(b"ab"),
    "a list": [97, 98],
    "a tuple": (97, 98),
    "a range": range(97, 99),
    "an array": np.array([97, 98], dtype=np.uint16),
    "a tensor": torch.tensor([97, 98]),
    "a list of numpy's": [np.int64(97), np.int32(98)],
    "a list of torch's": [torch.tensor(97), torch.tensor(98)],
}
SEVERAL: dict[str, Any] = {
    "texts": ["ab", "c"],
    "bytes and a text": [b"ab", "c"],
    "lists": [[97, 98], [99]],
    "a text and a tensor": ("ab", torch.tensor([99])),
    "an array of texts": np.array(["ab", "c"]),
}
NEITHER: dict[str, tuple[Any, str]] = {
    "nothing": (None, "but this is NoneType"),
    "a number": (5, "but this is int"),
    "a fraction": (1.5, "but this is float"),
    "a set": ({97}, "but this is set"),
    "what a tokenizer of transformers gives": ({"input_ids": [97]}, 'but this is dict: give its "input_ids"'),
    "a generator": ((i for i in (97, 98)), "but this is generator"),
    "a path": (Path("ab"), "but this is PosixPath"),
    "a tensor without dimensions": (torch.tensor(97), "but this is Tensor"),
    "a list of nothing": ([None], "but this is NoneType"),
    "a text and a number": (["ab", 97], "but this is int"),
    "no UTF-8": (b"caf\xe9", r"no text in UTF-8 \(unexpected end of data at byte 3\)"),
    "a number and a text": ([97, "b"], "id 'b' is not a token's"),
    "a truth": ([97, True], "id True is not a token's"),
    "truths": (torch.tensor([True, False]), "id True is not a token's"),
    "a fraction among ids": ([97, 98.0], "id 98.0 is not a token's"),
    "fractions": (np.array([97.0]), "id 97.0 is not a token's"),
    "ids too deep": ([[97], [[98]]], "id .* is not a token's|one prompt is wanted here"),
    "a cube": (torch.zeros(2, 2, 2, dtype=torch.int64), "one prompt is wanted here"),
    "no id of the model": ([97, 257], "id 257 is not in the vocabulary"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", ONE)
def test_a_prompt_of_any_kind_is_what_it_says(lm: LanguageModel, kind: str, door: str) -> None:
    found, expected = DOORS[door](lm, ONE[kind]), DOORS[door](lm, "ab")
    if door == "stream":
        found, expected = list(found), list(expected)
    assert found == expected
    if door == "generate":
        assert found.n_prompt == 2


@pytest.mark.parametrize("kind", SEVERAL)
def test_several_prompts(lm: LanguageModel, kind: str) -> None:
    found = lm.generate(SEVERAL[kind], max_new_tokens=2)
    assert found == [lm.generate("ab", max_new_tokens=2), lm.generate("c", max_new_tokens=2)]
    for door in ("stream", "next_tokens", "score", "encode"):
        with pytest.raises(TypeError, match=r"^one prompt is wanted here, .* this is a list of 2: give one of them$"):
            DOORS[door](lm, SEVERAL[kind])
    assert len(lm.generate(torch.tensor([[97, 98]]), max_new_tokens=1)) == 1


@pytest.mark.parametrize("door", [*DOORS, "minigpt.generate"])
@pytest.mark.parametrize("kind", NEITHER)
def test_what_is_no_prompt_is_refused_in_one_line(lm: LanguageModel, kind: str, door: str) -> None:
    prompt, message = NEITHER[kind]
    if door == "encode" and kind == "no id of the model":
        return
    calls = DOORS | {"minigpt.generate": lambda lm, prompt: minigpt.generate(lm.model, prompt)}
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        calls[door](lm, prompt)
    assert "\n" not in str(caught.value)


def test_the_loop_itself_takes_ids_only(lm: LanguageModel) -> None:
    expected = minigpt.generate(lm.model, [97, 98], max_new_tokens=2)
    for ids in (np.array([97, 98]), torch.tensor([97, 98]), (97, 98)):
        assert minigpt.generate(lm.model, ids, max_new_tokens=2) == expected  # type: ignore[call-overload]
    assert minigpt.generate(lm.model, torch.tensor([[97, 98]]), max_new_tokens=2) == [expected]
    for text in ("ab", b"ab", ["ab"]):
        with pytest.raises(TypeError, match="this is a text, and there is no tokenizer here: give ids"):
            minigpt.generate(lm.model, text)  # type: ignore[call-overload]


PROMPTS = st.one_of(st.text(max_size=5), st.lists(st.integers(0, 2**40), min_size=1, max_size=5))


@settings(max_examples=200, deadline=None)
@given(st.lists(PROMPTS, max_size=4))
def test_prompts_stay_what_they_are(prompts: list[Any]) -> None:
    assert as_prompts(prompts) == (prompts, True)
    assert as_prompts(
        [p.encode("utf-8", "surrogatepass") if isinstance(p, str) and p.isascii() else p for p in prompts]
    )
    for prompt in prompts:
        assert as_prompts(prompt) == ([prompt], False)
        assert as_prompt(prompt) == prompt
    lists = [prompt for prompt in prompts if isinstance(prompt, list)]
    assert as_ids(lists) == (lists or [[]], bool(lists))


@pytest.mark.parametrize("prompt", [END, END.encode()])
def test_a_prompt_that_is_a_special_token_starts_from_it(lm: LanguageModel, prompt: Any) -> None:
    start = lm.generate([256], max_new_tokens=5)
    assert lm.generate(prompt, max_new_tokens=5) == start
    assert "".join(lm.stream(prompt, max_new_tokens=5)) == start.text
    assert lm.next_tokens(prompt) == lm.next_tokens([256])
    assert lm.generate(["ab", prompt], max_new_tokens=5)[1].ids == start.ids
    assert lm.generate(f"{END} ", max_new_tokens=5).n_prompt == len(END) + 1  # anything more is plain text
    assert len(lm.encode(prompt)) == len(lm.score(prompt).ids) == len(END)


AROUND = [((257,), ()), ((257, 258), ()), ((257,), (258,)), ((), (258,))]


@pytest.mark.parametrize(("before", "after"), AROUND)
def test_the_tokenizers_own_beginning_and_end(before: tuple[int, ...], after: tuple[int, ...]) -> None:
    names = {END: 256, "<s>": 257, "</s>": 258}
    vocabulary = Vocabulary({bytes([i]): i for i in range(256)}, special_tokens=names, before=before, after=after)
    lm = LanguageModel(make_model(vocab_size=259), Tokenizer.of(vocabulary), {"bos_token_id": 256})
    whole = [*before, *b"ab", *after]
    assert lm.encode("ab") == whole
    assert lm.encode([97, 98]) == [97, 98]  # ids are left as they are
    assert lm.encode("<s>", allow_special="all") == [*before, 257, *after]  # as transformers' tokenizer
    expected = minigpt.generate(lm.model, whole, max_new_tokens=6)
    for more in ({}, {"prompt_lookup_num_tokens": 2}, {"plain": True}):
        found = lm.generate("ab", max_new_tokens=6, **more)  # type: ignore[arg-type]
        assert (found.ids, found.n_prompt) == (expected, len(whole))
    assert [c.n_prompt for c in lm.generate(["ab", [97, 98], ""], max_new_tokens=1)] == [
        len(whole),
        2,
        len(before + after) or 1,
    ]
    stream = lm.stream("ab", max_new_tokens=6)
    assert "".join(stream) == lm.generate("ab", max_new_tokens=6).text
    assert stream.completion.n_prompt == len(whole)
    assert lm.next_tokens("ab") == lm.next_tokens(whole)
    assert lm.generate("<s>", max_new_tokens=1).n_prompt == (len(before) or 1)  # not doubled
    logprobs = lm.model(torch.tensor([whole if before else [256, *whole]]))[0].log_softmax(-1)  # type: ignore[operator]
    score = lm.score("ab")
    n = len(whole) - len(before)
    expected_score = logprobs[-n - 1 : -1].gather(1, torch.tensor(whole[-n:])[:, None])[:, 0]
    assert score.logprobs == pytest.approx(expected_score.tolist(), abs=1e-5)
    assert (score.n_bytes, score.ids) == (2, whole)
    assert lm.score(whole).logprobs == pytest.approx(score.logprobs)  # and not doubled where it is there


def test_as_transformers(random_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    """A tokenizer.json that puts <s> before and </s> after every text: ids and greedy text are transformers'."""
    transformers = pytest.importorskip("transformers")
    tok = tokenizer.train("the cat sat on the mat " * 50, 270, special_tokens=("<s>", "</s>"))
    sizes = {"vocab_size": tok.n_vocab, "bos_token_id": tok.special_tokens["<s>"], "eos_token_id": None}
    reference = transformers.AutoModelForCausalLM.from_pretrained(random_checkpoint("llama", **sizes)).eval()
    for after in ([], ["</s>"]):
        folder = tmp_path / f"with {len(after)}"
        reference.save_pretrained(folder)
        tok.save(folder)
        data = json.loads((folder / "tokenizer.json").read_text())
        pieces = [{"SpecialToken": {"id": name, "type_id": 0}} for name in ("<s>", *after)]
        data["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [pieces[0], {"Sequence": {"id": "A", "type_id": 0}}, *pieces[1:]],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                name: {"id": name, "ids": [tok.special_tokens[name]], "tokens": [name]} for name in ("<s>", *after)
            },
        }
        (folder / "tokenizer.json").write_text(json.dumps(data))
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        lm = minigpt.load(folder)
        for text in ("the cat", "", "<s>", "the </s> mat"):
            assert lm.encode(text, allow_special="all") == theirs(text).input_ids, text
        ids = theirs("the cat", return_tensors="pt")
        found = reference.generate(**ids, max_new_tokens=6, do_sample=False, pad_token_id=0)[0].tolist()
        assert lm.generate("the cat", max_new_tokens=6).ids == found[ids.input_ids.shape[1] :]
