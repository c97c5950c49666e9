"""The beam tree, the architecture with a text's shapes, and the model without some of its parts."""

import json
import threading
import time
from typing import Any

import pytest
import torch

import minigpt
from minigpt.analysis.beam_tree import beam_tree
from minigpt.fast.choose import fast_form, hooked
from minigpt.language_model import LanguageModel
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.playground import knock, shapes
from minigpt.playground.beams import MOST, Search
from minigpt.playground.knock import KnockedOut, Without
from minigpt.playground.logits import Recent
from minigpt.playground.looking import told
from minigpt.playground.shapes import live_architecture
from minigpt.playground.shelf import Loaded
from minigpt.playground.wire import Refused, Request
from minigpt.playground.work import Job
from minigpt.playground.writing import Writing
from tests.playground.conftest import Playground, until

PROMPT = "Once upon a time"
BODY: dict[str, Any] = {"model": "storyteller", "prompt": PROMPT}
SAMPLED = {"temperature": 0.9, "seed": 3, "max_new_tokens": 8}
PARTS: dict[str, list[list[Any]]] = {
    "h.2.attn.heads[:, 3]": [[2, 3]],
    "h.1.mlp.out": [[1, "mlp"]],
    "h.0.attn.out": [[0, "attention"]],
}


@pytest.fixture(scope="module")
def llama(lm: LanguageModel) -> LanguageModel:
    """A small one with groups of query heads, its numbers drawn by chance."""
    config = LlamaConfig(vocab_size=4096, n_ctx=64, n_layer=3, n_head=4, n_kv_head=2, n_embd=16, n_inner=24)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = Llama(config).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
    return LanguageModel(model, lm.tokenizer, name="llama")


def request(prompt: str | list[int] = PROMPT, settings: dict[str, Any] | None = None, **more: Any) -> Request:
    return Request("storyteller", prompt, settings or {}, more)


def tree(playground: Playground, **body: Any) -> list[dict[str, Any]]:
    """The events of a beam search."""
    with playground.open("/beams", BODY | body) as answer:
        assert answer.status == 200, answer.read()
        return [json.loads(line[6:]) for line in answer if line.startswith(b"data: ")]


@pytest.mark.parametrize("settings", [{}, {"num_beams": 2, "max_new_tokens": 5}, {"repetition_penalty": 1.5}], ids=str)
def test_the_numbers_of_the_tree_are_those_of_the_search(
    settings: dict[str, Any], playground: Playground, lm: LanguageModel
) -> None:
    start, *rounds, end = tree(playground, settings=settings)
    given = {"num_beams": 3, "max_new_tokens": MOST, **settings}
    nodes = beam_tree(lm.model, lm.encode(PROMPT), eos_token_id=lm.settings({}).eos_token_id, **given)
    assert [float(row[2]) for row in end["table"][1]] == [round(node.total, 2) for node in nodes]
    assert [(int(row[0]), row[3].split(",")[0], "wins" in row[3]) for row in end["table"][1]] == [
        (node.depth, node.state, node.best) for node in nodes
    ]
    assert (start["n"], start["beams"]) == (given["max_new_tokens"], given["num_beams"])
    assert [event["round"] for event in rounds] == list(range(1, nodes[-1].depth + 1))
    if "repetition_penalty" not in settings:
        assert end["table"] == json.loads(json.dumps(lm.show.beams(PROMPT, **given).table))
    winner = [row[1] for row in end["table"][1] if "wins" in row[3]]
    text = lm.generate(PROMPT, temperature=0, **given).text
    assert "".join(winner).replace("·", " ") == text


def test_a_tree_of_ids_and_without_parts(playground: Playground, lm: LanguageModel) -> None:
    given = {"num_beams": 2, "max_new_tokens": 3}
    *_, end = tree(playground, settings=given, without=[[0, "attention"], [0, "mlp"]])
    with minigpt.patch(lm.model, {"h.0.attn.out": 0, "h.0.mlp.out": 0}):
        wanted = lm.show.beams(PROMPT, **given).table
    assert end["table"] == json.loads(json.dumps(wanted))
    assert wanted != lm.show.beams(PROMPT, **given).table
    events = list(Search(lm, request(lm.encode(PROMPT), given)).events())
    assert events[-1]["title"] == f'2 beams after "{PROMPT}"'


def test_a_search_is_a_step_for_each_round_and_ends_with_its_reader(
    playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepped: list[Job] = []
    step = Job.step
    monkeypatch.setattr(Job, "step", lambda job: (stepped.append(job), time.sleep(0.1), step(job))[2])
    answer = playground.open("/beams", BODY)
    for _ in range(4):  # two events, each with an empty line
        answer.readline()
    (job,) = set(stepped)
    answer.connection.sock.close()  # type: ignore[attr-defined]
    answer.close()
    until(lambda: job.cancelled)
    n = len(stepped)
    until(lambda: not playground.shelf.loaded["storyteller"].worker.jobs)
    time.sleep(0.2)
    assert len(stepped) <= n + 1 <= MOST


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_new_tokens": 9}, "max_new_tokens must be 1 to 8 for a tree, which has a column for each, not 9"),
        ({"max_new_tokens": 0}, "max_new_tokens must be 1 to 8"),
        ({"num_beams": 1}, "num_beams must be 2 or more for a tree, not 1"),
        ({"num_beams": 3, "temperature": 0.5}, "num_beams 3 does not sample"),
        ({"num_beams": "3"}, "num_beams must be "),
    ],
    ids=str,
)
def test_trees_that_there_are_not(settings: dict[str, Any], reason: str, playground: Playground) -> None:
    status, told = playground.ask("/beams", BODY | {"settings": settings})
    assert status == 422
    assert reason in told["error"]
    assert "\n" not in told["error"]


def test_the_shapes_are_those_of_a_forward_pass(
    playground: Playground, lm: LanguageModel, llama: LanguageModel
) -> None:
    n = len(lm.encode(PROMPT))
    gpt2, other = (live_architecture(one, PROMPT) for one in (lm, llama))
    assert playground.ask("/architecture", BODY)[1] == json.loads(json.dumps(told(gpt2)))
    assert gpt2.title == f"storyteller: 6 blocks, 8 heads, C = 256, ids (1, {n})"
    stream, heads = f"(1, {n}, 256)", f"(1, 8, {n}, 32)"
    first = [stream, stream, stream, heads, heads, stream, stream, f"(1, {n}, 1024)", stream, stream, "(1, 4096)"]
    assert [row[2] for row in gpt2.table[1]] == first
    stream, heads = f"(1, {n}, 16)", f"(1, 4, {n}, 4)"
    qkv = f"q {heads}, k v (1, 2, {n}, 4)"
    second = [stream, stream, qkv, qkv, heads, stream, stream, f"(1, {n}, 24)", stream, stream, "(1, 4096)"]
    assert [row[2] for row in other.table[1]] == second
    assert f">(1, {n})</text>" in gpt2.svg()
    assert "B, T" not in gpt2.svg() + other.svg()


def test_the_shapes_are_recorded_not_reckoned(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the pass has two texts at once, the picture says so."""
    prefill = shapes.prefill
    monkeypatch.setattr(shapes, "prefill", lambda model, sequences: prefill(model, sequences * 2))
    rows = live_architecture(lm, [5, 6, 7]).table[1]
    assert [row[2] for row in rows][:4] == ["(2, 3, 256)"] * 3 + ["(2, 8, 3, 32)"]


def patched(lm: LanguageModel, names: list[str], settings: dict[str, Any]) -> Any:
    """A text by hand, without the activations of these names."""
    with minigpt.patch(lm.model, dict.fromkeys(names, 0)):
        return lm.generate(PROMPT, **settings)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize(
    "settings", [SAMPLED, {"temperature": 0, "max_new_tokens": 8}, {"num_beams": 3, "max_new_tokens": 5}], ids=str
)
@pytest.mark.parametrize("names", [[name] for name in PARTS] + [list(PARTS)], ids=str)
def test_a_text_without_parts_is_that_of_generate_within_patch(
    family: str, settings: dict[str, Any], names: list[str], lm: LanguageModel, llama: LanguageModel
) -> None:
    model = lm if family == "gpt2" else llama
    asked = request(settings=settings, without=[pair for name in names for pair in PARTS[name]])
    start, *told, end = run(Without(model, asked, Recent(), KnockedOut(model, asked)))
    tokens = [event for event in told if event["event"] == "token"]
    wanted = patched(model, names, settings)
    assert [token["id"] for token in tokens] == wanted.ids
    assert end["text"] == wanted.text
    assert [token["surprise"] for token in tokens] == pytest.approx(
        [-logprob / torch.tensor(2.0).log().item() for logprob in wanted.logprobs], abs=1e-3
    )
    assert wanted.logprobs != pytest.approx(model.generate(PROMPT, **settings).logprobs, abs=1e-3)
    assert start["seed"] == settings.get("seed", start["seed"])


def run(writing: Writing) -> list[dict[str, Any]]:
    return [writing.start(), *writing.events()]


def test_all_heads_of_a_layer_or_its_attention(playground: Playground, lm: LanguageModel) -> None:
    """They differ by the bias of the projection behind the heads."""
    heads = [[0, head] for head in range(8)]
    texts = [list(playground.events(settings=SAMPLED, without=parts)) for parts in (heads, [[0, "attention"]])]
    assert texts[0][-1]["text"] == patched(lm, ["h.0.attn.heads"], SAMPLED).text
    assert texts[1][-1]["text"] == patched(lm, ["h.0.attn.out"], SAMPLED).text


def test_with_all_parts_it_is_the_text_of_generate(playground: Playground, lm: LanguageModel) -> None:
    one, other = (list(playground.events(settings=SAMPLED, **more)) for more in ({}, {"without": []}))
    assert one[1:-1] == other[1:-1]
    assert other[-1]["text"] == lm.generate(PROMPT, **SAMPLED).text
    assert other[-1]["command"]


def test_between_two_tokens_the_model_is_whole(lm: LanguageModel) -> None:
    """Two texts, a token each in turn, and the fast form that others ask for is the fast one."""
    fast = fast_form(lm.model)
    asked = request(settings=SAMPLED, without=[[1, "mlp"], [2, 3]])
    without = Without(lm, asked, Recent(), KnockedOut(lm, asked)).events()
    whole = Writing(lm, request(settings=SAMPLED), Recent()).events()
    found: list[list[int]] = [[], []]
    for pair in zip(without, whole, strict=True):
        assert not hooked(lm.model.modules())  # type: ignore[attr-defined]
        for ids, event in zip(found, pair, strict=True):
            ids += [event["id"]] if event["event"] == "token" else []
    assert fast_form(lm.model) is fast
    assert found[0] == patched(lm, ["h.1.mlp.out", "h.2.attn.heads[:, 3]"], SAMPLED).ids
    assert found[1] == lm.generate(PROMPT, **SAMPLED).ids
    assert found[0] != found[1]


def test_a_text_that_is_given_up_or_fails_leaves_the_model_whole(
    lm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request(settings=SAMPLED, without=[[1, "mlp"]])
    writing = Without(lm, asked, Recent(), KnockedOut(lm, asked))
    steps = writing.events()
    next(steps)
    steps.close()
    assert not hooked(lm.model.modules())  # type: ignore[attr-defined]
    steps = Without(lm, asked, Recent(), KnockedOut(lm, asked)).events()
    monkeypatch.setattr(Writing, "token", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(steps)
    assert not hooked(lm.model.modules())  # type: ignore[attr-defined]


def test_two_tabs_at_once(playground: Playground, lm: LanguageModel) -> None:
    found: dict[int, str] = {}

    def read(n: int, without: list[Any]) -> None:
        *_, end = playground.events(settings={**SAMPLED, "seed": n, "max_new_tokens": 20}, without=without)
        found[n] = end["text"]

    parts = [[], [[1, "mlp"]], [], [[0, "attention"]]]
    threads = [threading.Thread(target=read, args=pair) for pair in enumerate(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, names in enumerate(([], ["h.1.mlp.out"], [], ["h.0.attn.out"])):
        assert found[n] == patched(lm, names, {**SAMPLED, "seed": n, "max_new_tokens": 20}).text


def test_its_logits_are_nobody_elses(playground: Playground, lm: LanguageModel) -> None:
    """The bars of the same ids, with the part and without it, whichever was looked at first."""
    without = [[1, "mlp"]]
    start, token, *_ = playground.events(settings=SAMPLED, without=without)
    body = {"model": "storyteller", "ids": start["ids"], "settings": {"temperature": 0}}
    for _ in range(2):
        for more, names in (({"without": without}, ["h.1.mlp.out"]), ({}, []), ({"without": [[0, 7]]}, None)):
            _, told = playground.ask("/bars", body | more)
            with minigpt.patch(lm.model, dict.fromkeys(["h.0.attn.heads[:, 7]"] if names is None else names, 0)):
                best = lm.next_tokens(PROMPT, k=1)[0]
            assert told["steps"][0]["probabilities"][0] == pytest.approx(best.probability, rel=1e-4)
            assert told["tokens"][0]["id"] == best.id
    assert token["best"][0]["probability"] != pytest.approx(lm.next_tokens(PROMPT, k=1)[0].probability, rel=1e-3)


def test_bars_of_what_was_written_without_parts_need_no_model(
    playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, *_ = playground.events(settings=SAMPLED, without=[[3, 1]])
    monkeypatch.setattr("minigpt.playground.app.next_logits", None)
    body = {"model": "storyteller", "ids": start["ids"], "without": [[3, 1]]}
    assert playground.ask("/bars", body)[0] == 200


def test_pictures_are_of_the_model_without_them(playground: Playground, lm: LanguageModel) -> None:
    for what in ("lens", "surprise", "attention"):
        _, told = playground.ask("/picture", BODY | {"what": what, "without": [[0, "attention"]]})
        with minigpt.patch(lm.model, {"h.0.attn.out": 0}):
            drawing = getattr(lm.show, what)(PROMPT)
        assert told["table"] == json.loads(json.dumps(drawing.table))
        assert drawing.table != getattr(lm.show, what)(PROMPT).table


def test_the_python_writes_the_same(
    playground: Playground, lm: LanguageModel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, end = playground.events(settings=SAMPLED, without=[[2, 3], [1, "mlp"]])
    monkeypatch.setattr("minigpt.language_model.load", lambda *_, **__: lm)
    exec(end["python"])
    assert capsys.readouterr().out == end["text"] + "\n"
    assert "{'h.2.attn.heads[:, 3]': 0, 'h.1.mlp.out': 0}" in end["python"]
    assert "plain" not in end["python"]
    assert end["command"] == ""


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        *((wrong, "without must be a list, not ") for wrong in (True, 7, 1.5, "x", {}, None)),
        *(([wrong], "without has pairs such as [2, 5]") for wrong in (None, 1, "x", [], [1], [1, 2, 3], {}, [True, 1])),
        *(([[1, wrong]], "without has pairs such as [2, 5]") for wrong in (None, True, 1.5, [], {})),
        ([["1", 1]], "without has pairs such as [2, 5]"),
        ([[6, 1]], "layer 6: the model has 6, 0 to 5"),
        ([[0, 1], [-1, 1]], "layer -1: the model has 6, 0 to 5"),
        ([[0, 8]], "head 8: the model has 8, 0 to 7"),
        ([[0, -1]], "head -1: the model has 8, 0 to 7"),
        ([[0, 10**400]], "head 1000000000"),
        ([[0, "heads[:, 0]"]], "a part of a layer is the number of a head, attention or mlp, not 'heads[:, 0]'"),
        ([[0, "\ud800"]], "a part of a layer is the number of a head"),
    ],
    ids=lambda value: repr(value)[:40],
)
@pytest.mark.parametrize("path", ["/generate", "/bars", "/picture", "/beams"])
def test_parts_that_there_are_not(path: str, without: Any, reason: str, playground: Playground) -> None:
    body = BODY | {"what": "lens"} if path == "/picture" else BODY
    status, told = playground.ask(path, body | {"without": without})
    assert status == 422, told
    assert reason in told["error"]
    assert "\n" not in told["error"]
    assert len(told["error"]) < 300


def test_a_model_whose_parts_have_no_names(lm: LanguageModel) -> None:
    """It writes as ever; without a part of it it says that it cannot."""

    class Other(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config, self.hidden, self.unembed = lm.model.config, lm.model.hidden, lm.model.unembed
            self.parameters = lm.model.parameters  # type: ignore[method-assign]

    other = Loaded(LanguageModel(Other().eval(), lm.tokenizer, name="other"))  # type: ignore[arg-type]
    *_, end = knock.writing(other, request(settings=SAMPLED)).events()
    assert end["text"] == lm.generate(PROMPT, **SAMPLED).text
    with pytest.raises(Refused, match="a Other has no parts to leave out: GPT-2 and Llama models have"):
        knock.writing(other, request(without=[[0, 1]]))
    other.worker.stop()


def test_shapes_of_a_text_that_is_too_long(playground: Playground) -> None:
    status, answer = playground.ask("/architecture", BODY | {"prompt": "a b " * 1000})
    assert status == 422
    assert "exceed the context of 512" in answer["error"]
