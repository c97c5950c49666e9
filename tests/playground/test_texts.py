"""What the playground writes is what `lm.generate` writes, and what it says about a token is what the model says."""

import math
import shlex
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from minigpt.analysis import filters
from minigpt.cli import main
from minigpt.generation.sampling import top_k
from minigpt.language_model import LanguageModel
from minigpt.playground.code import where
from tests.playground.conftest import Playground

ROOT = Path(__file__).parents[2]
PROMPT = "Once upon a time"
SETTINGS: list[dict[str, Any]] = [
    {"temperature": 0},
    {"temperature": 0.8, "seed": 5},
    {"temperature": 1.2, "top_k": 40, "top_p": 0.9, "min_p": 0.02, "seed": 6},
    {"temperature": 0.9, "repetition_penalty": 1.4, "no_repeat_ngram_size": 3, "seed": 7},
    {"temperature": 0, "num_beams": 3},
    {"seed": 8},  # the rest is the checkpoint's
    {"temperature": 0, "max_new_tokens": 0},
    {"temperature": 0, "max_new_tokens": 0, "num_beams": 2},
]


@pytest.mark.parametrize(
    ("prompt", "settings"),
    [
        *((PROMPT, settings) for settings in SETTINGS),
        ("", SETTINGS[1]),
        ("", SETTINGS[-1]),
        ([285, 13, 700], SETTINGS[2]),
    ],
    ids=str,
)
def test_texts_are_those_of_generate(
    prompt: str | list[int], settings: dict[str, Any], playground: Playground, lm: LanguageModel
) -> None:
    settings = {"max_new_tokens": 8, **settings}
    start, *tokens, end = playground.events(settings=settings, **named(prompt))
    wanted = lm.generate(prompt, **settings)
    tokens = [event for event in tokens if event["event"] == "token"]
    assert (start["event"], end["event"]) == ("start", "end")
    assert end["text"] == wanted.text
    assert end["finish_reason"] == wanted.finish_reason
    assert [token["id"] for token in tokens] == wanted.ids
    assert "".join(token["text"] for token in tokens) == wanted.text
    assert [math.log(token["probability"]) for token in tokens] == pytest.approx(wanted.logprobs, abs=1e-4)


def named(prompt: str | list[int]) -> dict[str, Any]:
    return {"ids": prompt} if isinstance(prompt, list) else {"prompt": prompt}


def test_what_is_said_about_a_token_is_what_the_model_says(playground: Playground, lm: LanguageModel) -> None:
    start, *tokens, _ = playground.events(settings={"temperature": 1.5, "seed": 2, "max_new_tokens": 8})
    assert tokens
    ids = list(start["ids"])
    assert lm.tokenizer
    for token in tokens:
        with torch.inference_mode():
            logprobs = lm.model(torch.tensor([ids]))[0, -1].log_softmax(-1)
        order = logprobs.argsort(descending=True).tolist()
        assert token["rank"] == 1 + order.index(token["id"])
        assert token["probability"] == pytest.approx(logprobs[token["id"]].exp().item(), rel=1e-3)
        assert token["surprise"] == pytest.approx(-logprobs[token["id"]].item() / math.log(2), rel=1e-3)
        assert [one["id"] for one in token["best"]] == order[:10]
        assert bytes.fromhex(token["bytes"]) == lm.tokenizer.decode_bytes([token["id"]])
        ids.append(token["id"])


def test_a_seed_that_was_drawn_is_told_and_gives_the_same_text(playground: Playground, lm: LanguageModel) -> None:
    settings = {"temperature": 1.0, "max_new_tokens": 8}
    (start, *_, end), (other, *_, _) = (list(playground.events(settings=settings)) for _ in range(2))
    assert start["seed"] != other["seed"]
    assert lm.generate(PROMPT, seed=start["seed"], **settings).text == end["text"]


def test_a_branch_goes_on_from_another_token_and_replays(playground: Playground, lm: LanguageModel) -> None:
    settings = {"temperature": 0.9, "seed": 3, "max_new_tokens": 6}
    start, *tokens, _ = playground.events(settings=settings)
    other = next(one for one in tokens[2]["best"] if one["id"] != tokens[2]["id"])
    ids = [*start["ids"], *(token["id"] for token in tokens[:2]), other["id"]]
    one, two = (list(playground.events(ids=ids, settings=settings)) for _ in range(2))
    assert one[1:-1] == two[1:-1]
    assert one[-1]["text"] == two[-1]["text"] == lm.generate(ids, **settings).text
    assert lm.tokenizer
    assert one[0]["last_piece"] == lm.tokenizer.decode([other["id"]])


def test_a_character_of_several_tokens_comes_whole(playground: Playground, lm: LanguageModel) -> None:
    """Also where the branch lies within it: the page's pieces, joined, are whole characters."""
    assert lm.tokenizer
    star = lm.tokenizer.encode("🌟")
    assert len(star) > 1
    for n, piece in ((len(star) - 1, ""), (len(star), "🌟")):
        start, *_ = playground.events(ids=[*lm.tokenizer.encode("A"), *star[:n]], settings={"max_new_tokens": 0})
        assert start["last_piece"] == piece


@pytest.mark.parametrize(
    ("prompt", "settings"),
    [
        (PROMPT, {"temperature": 0.7, "top_k": 0, "top_p": 0.9, "min_p": 0, "repetition_penalty": 1.3, "seed": 4}),
        (PROMPT, {"temperature": 1.6, "top_k": 0, "top_p": 0.97, "min_p": 0.001, "seed": 4, "max_new_tokens": 12}),
        ('-t it\'s "$x"\n', {"temperature": 0}),
        ([285, 13, 700], {"temperature": 0}),
        ("<|endoftext|>", {"num_beams": 2, "temperature": 0}),
    ],
    ids=str,
)
def test_the_command_and_the_python_write_the_same(
    prompt: str | list[int],
    settings: dict[str, Any],
    playground: Playground,
    lm: LanguageModel,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    *_, end = playground.events(settings={"max_new_tokens": 6, **settings}, **named(prompt))
    monkeypatch.setattr("minigpt.language_model.load", lambda *_, **__: lm)
    exec(end["python"])
    assert capsys.readouterr().out == end["text"] + "\n"
    words = shlex.split(end["command"])
    assert words[0] == "minigpt"
    assert main(words[1:]) == 0
    assert capsys.readouterr().out == words[-1] + end["text"] + "\n"


def test_ids_that_no_text_has_give_python_only(playground: Playground, lm: LanguageModel) -> None:
    assert lm.tokenizer
    ids = lm.tokenizer.encode("th") + lm.tokenizer.encode("e")
    assert lm.tokenizer.encode("the") != ids
    *_, end = playground.events(ids=ids, settings={"max_new_tokens": 3, "temperature": 0})
    assert end["command"] == ""
    assert f"generate({ids}" in end["python"]


def test_settings_that_change_nothing_are_left_out(playground: Playground) -> None:
    """The storyteller's own are temperature 0.7 and top-p 0.9."""
    settings = {"temperature": 0.7, "top_k": 0, "top_p": 0.9, "min_p": 0, "repetition_penalty": 1, "num_beams": 1}
    *_, end = playground.events(settings={**settings, "max_new_tokens": 3, "seed": 1})
    assert end["command"] == f"minigpt generate -n 3 --seed 1 -- '{PROMPT}'"
    *_, end = playground.events(settings={"temperature": 0, "max_new_tokens": 3, "seed": 1})
    assert end["command"] == f"minigpt generate -n 3 -t 0 -- '{PROMPT}'"


def test_beams_tell_their_rounds(playground: Playground) -> None:
    _, *told, end = playground.events(settings={"temperature": 0, "num_beams": 3, "max_new_tokens": 4})
    rounds = [event for event in told if event["event"] == "round"]
    assert [event["round"] for event in rounds] == [1, 2, 3, 4]
    assert rounds[-1]["text"] == end["text"]


def test_bars_are_those_of_the_filters(playground: Playground, lm: LanguageModel) -> None:
    body = {"model": "storyteller", "prompt": PROMPT, "settings": {"temperature": 0.5, "top_k": 3, "top_p": 1}}
    status, told = playground.ask("/bars", body)
    assert status == 200
    with torch.inference_mode():
        logits = lm.model(torch.tensor([lm.encode(PROMPT)]))[0, -1]
    kept = top_k(logits / 0.5, 3).softmax(-1)
    assert [step["name"] for step in told["steps"]] == ["model", "temperature 0.5", "top-k 3"]
    ids = [token["id"] for token in told["tokens"]]
    assert ids == logits.topk(10).indices.tolist()
    assert told["steps"][0]["probabilities"] == pytest.approx(logits.softmax(-1)[ids].tolist(), abs=1e-5)
    assert told["steps"][2]["probabilities"] == pytest.approx(kept[ids].tolist(), abs=1e-5)
    assert [step["kept"] for step in told["steps"]] == [4096, 4096, 3]
    file, line = told["steps"][2]["where"].split(":")
    assert (ROOT / file).read_text("utf-8").splitlines()[int(line) - 1].startswith("def top_k(")


def test_every_filter_names_its_code() -> None:
    steps = ["model", "penalties", "greedy", *filters.ORDER]
    assert all((ROOT / where(step).split(":")[0]).exists() and where(step) for step in steps)


def test_bars_of_a_text_that_was_written_need_no_model(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    start, *tokens, _ = playground.events(settings={"temperature": 1.0, "max_new_tokens": 5, "seed": 11})
    monkeypatch.setattr("minigpt.playground.app.next_logits", None)
    took = []
    for n in range(len(tokens)):
        ids = [*start["ids"], *(token["id"] for token in tokens[:n])]
        body = {"model": "storyteller", "ids": ids, "settings": {"temperature": 2.0, "top_p": 0.5}}
        begin = time.perf_counter()
        assert playground.ask("/bars", body)[0] == 200
        took.append(time.perf_counter() - begin)
    assert min(took) < 0.05
    assert playground.ask("/bars", {"model": "storyteller", "ids": [1, 2, 3]})[0] == 500


@pytest.mark.parametrize("what", ["attention", "lens", "surprise"])
def test_pictures_are_those_of_show(what: str, playground: Playground, lm: LanguageModel) -> None:
    status, told = playground.ask("/picture", {"model": "storyteller", "prompt": PROMPT, "what": what})
    drawing = getattr(lm.show, what)(PROMPT)
    assert status == 200
    assert told["title"] == drawing.title
    assert "<style>" not in told["svg"]
    assert told["svg"].count("<rect") == drawing.svg().count("<rect")
