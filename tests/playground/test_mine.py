"""A learner's own part beside the model: it writes as it should, it is judged, and it brings nothing down."""

import inspect
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from minigpt.cli import main
from minigpt.exercises.catalog import TASKS, exercise
from minigpt.exercises.files import check_file
from minigpt.exercises.play import Writer, put_in
from minigpt.generation.decoding import decode
from minigpt.generation.noise import uniform
from minigpt.generation.sampling import filter_candidates
from minigpt.generation.sequences import plan
from minigpt.language_model import LanguageModel, load
from minigpt.playground import parts, with_part
from minigpt.playground.mine import Mine
from minigpt.playground.parts import NEEDS
from minigpt.playground.shelf import Shelf
from tests.playground.conftest import Playground, until

PROMPT = "Once upon a time"
PLACED = {
    **dict.fromkeys(("Linear", "LayerNorm", "MLP", "CausalSelfAttention", "Block", "GPT2"), "model"),
    **dict.fromkeys(("embed", "attention", "gelu", "cached_attention"), "model"),
    **dict.fromkeys(("encode", "split"), "encode"),
    **dict.fromkeys(("temperature", "top_k", "top_p", "min_p", "next_probs"), "probs"),
    **dict.fromkeys(("greedy", "generate_cached", "beam"), "write"),
    "sample": "draw",
}


def solution(name: str, *edit: str) -> str:
    """A learner's file: the solution, with one text in it replaced by another."""
    found = exercise(name)
    module = inspect.getsource(sys.modules[found.part.__module__])
    imports = [line for line in module.split("\n") if line.startswith(("import ", "from collections"))]
    code = found.solution()
    if edit:
        assert edit[0] in code
        code = code.replace(*edit)
    used = "from torch import Tensor, nn\nfrom minigpt.models.config import GPT2Config\n"
    used += "from minigpt.models.layers import Linear, Embedding\n"
    everything = f"from {found.part.__module__} import *\n"
    return "\n".join(imports) + "\n" + used + everything + code


@pytest.fixture
def mine(tmp_path: Path, lm: LanguageModel) -> Iterator[Callable[..., Playground]]:
    """`mine(code)`: a playground with that code in the learner's file."""
    running: list[Playground] = []

    def start(code: str) -> Playground:
        (tmp_path / "mine.py").write_text(code, "utf-8")
        shelf = Shelf(lm, device="cpu")
        shelf.mine = Mine(tmp_path / "mine.py", lm)
        running.append(Playground(shelf))
        return running[-1]

    yield start
    for playground in running:
        playground.stop()


def name_of(playground: Playground, n: int = 0) -> str:
    assert playground.shelf.mine
    return playground.shelf.mine.names()[n]


def text_of(playground: Playground, model: str = "", **body: Any) -> dict[str, Any]:
    *_, end = playground.events(model=model or name_of(playground), **body)
    assert end["event"] == "end", end
    return end


@pytest.mark.parametrize("name", [name for name in PLACED if name != "sample"])
def test_a_part_that_is_right_writes_the_text_of_the_model(name: str, mine: Any, lm: LanguageModel) -> None:
    playground = mine(solution(name))
    assert playground.shelf.mine.parts[name_of(playground)].kind == PLACED[name]
    for seed in (3, 4):
        settings = {"temperature": 0.9, "top_p": 0.95, "seed": seed, **NEEDS.get(name, {}), "max_new_tokens": 8}
        if not settings["temperature"]:
            settings.pop("top_p")
        elif PLACED[name] == "probs":  # with filters before it and after it
            settings |= {"temperature": 1.4, "top_k": 20}
        wanted = lm.generate(PROMPT, **settings)
        assert text_of(playground, settings=settings)["text"] == wanted.text


def test_the_places_are_those_of_check_play() -> None:
    """Whatever stands in a model or acts in a `Writer` is here, too."""
    model = load("storyteller", device="cpu").model
    kinds = {type(module).__name__ for module in model.modules()}  # type: ignore[attr-defined]
    assert {name for name in TASKS if exercise(name).acts or name in kinds} == PLACED.keys()


def test_a_draw_gets_the_probabilities_and_a_number_of_the_seed(mine: Any, lm: LanguageModel) -> None:
    playground = mine(solution("sample"))
    settings = lm.settings({"temperature": 0.9, "top_p": 0.8, "seed": 3, "max_new_tokens": 8})
    given = {"temperature": 0.9, "top_p": 0.8, "seed": 3, "max_new_tokens": 8}
    (sequence,) = plan(lm.model, [lm.encode(PROMPT)], settings, lm.tokenizer)

    def sample(logits: Any, _ids: Any, settings: Any, keys: Any, steps: Any) -> Any:
        probs = filter_candidates(logits, settings).double().softmax(-1)
        u = uniform(keys, steps, torch.zeros(1, 1, dtype=torch.int64))[0]
        return exercise("sample").part(probs, u)

    list(decode(lm.model, [sequence], settings, sample))
    assert text_of(playground, settings=given)["text"] == sequence.text


NO_SCALE = (" / math.sqrt(D)", "")


def test_a_wrong_part_writes_otherwise_and_its_numbers_are_its_own(mine: Any, lm: LanguageModel) -> None:
    playground = mine(solution("CausalSelfAttention", *NO_SCALE))
    settings = {"temperature": 0.9, "seed": 3, "max_new_tokens": 8}
    start, *tokens, end = playground.events(model=name_of(playground), settings=settings)
    assert end["text"] != lm.generate(PROMPT, **settings).text
    found = exercise("CausalSelfAttention")
    writer = Writer(load("storyteller", device="cpu", plain=True), 0)
    space: dict[str, Any] = {}
    exec(solution("CausalSelfAttention", *NO_SCALE), space)
    put_in(writer, space["CausalSelfAttention"], found)
    ids = list(start["ids"])
    for token in tokens:
        with torch.no_grad():
            probs = writer.logits(ids)[0, -1].softmax(-1)
        assert token["probability"] == pytest.approx(probs[token["id"]].item(), rel=1e-4)
        assert token["rank"] == 1 + int((probs > probs[token["id"]]).sum())
        assert [one["id"] for one in token["best"]] == probs.topk(10).indices.tolist()
        ids.append(token["id"])
    status, told = playground.ask("/bars", {"model": name_of(playground), "ids": start["ids"]})
    assert status == 200
    assert max(told["steps"][0]["probabilities"]) == pytest.approx(tokens[0]["best"][0]["probability"], rel=1e-4)


@pytest.mark.parametrize("settings", [{"temperature": 0.9, "seed": 3}, {"temperature": 0, "num_beams": 3}], ids=str)
def test_a_model_with_a_part_is_searched_and_branched_as_any_other(settings: Any, mine: Any, lm: LanguageModel) -> None:
    playground = mine(solution("attention"))
    settings = {**settings, "max_new_tokens": 6}
    ids = [*lm.encode(PROMPT), 300]
    assert text_of(playground, ids=ids, settings=settings)["text"] == lm.generate(ids, **settings).text


def test_the_python_writes_the_same(mine: Any, lm: LanguageModel, monkeypatch: Any, capsys: Any) -> None:
    playground = mine(solution("CausalSelfAttention", *NO_SCALE))
    end = text_of(playground, settings={"temperature": 0.9, "seed": 3, "max_new_tokens": 8})
    assert end["command"] == ""
    monkeypatch.setattr("minigpt.language_model.load", lambda *_, **__: lm)
    exec(end["python"])
    assert capsys.readouterr().out == end["text"] + "\n"


def test_the_verdicts_are_those_of_check(mine: Any, tmp_path: Path) -> None:
    blank = 'def gelu(x):\n    raise NotImplementedError("your turn")\n'
    playground = mine(solution("CausalSelfAttention", *NO_SCALE) + solution("merge") + blank + "1 / 0\n")
    status, told = playground.ask("/mine")
    reports, _ = check_file(tmp_path / "mine.py")
    assert status == 200
    assert [one["text"] for one in told["reports"]] == [str(report) for report in reports]
    assert [(one["ok"], one["bug"], one["blank"]) for one in told["reports"]] == [
        (False, "no_scale", False),
        (True, None, False),
        (False, None, True),
    ]
    assert told["models"] == ["storyteller with your CausalSelfAttention"]  # the others have no place, or nothing yet
    assert told["file"] == "mine.py"


def test_without_a_file_there_is_none(playground: Playground) -> None:
    assert playground.ask("/mine") == (200, {"file": None})


def test_a_file_that_was_saved_is_read_again(mine: Any, tmp_path: Path, lm: LanguageModel) -> None:
    playground, file = mine(solution("CausalSelfAttention", *NO_SCALE)), tmp_path / "mine.py"
    settings = {"temperature": 0.9, "seed": 3, "max_new_tokens": 8}
    assert text_of(playground, settings=settings)["text"] != lm.generate(PROMPT, **settings).text
    assert playground.ask("/mine")[1]["times"] == playground.ask("/mine")[1]["times"] == 1
    file.write_text(solution("CausalSelfAttention"), "utf-8")
    told = playground.ask("/mine")[1]
    assert (told["times"], told["reports"][0]["ok"]) == (2, True)
    assert text_of(playground, settings=settings)["text"] == lm.generate(PROMPT, **settings).text
    file.write_text("def top_k(scores, k:\n", "utf-8")  # half saved
    told = playground.ask("/mine")[1]
    assert "line 1: " in told["trouble"][0]
    file.unlink()
    told = playground.ask("/mine")[1]
    assert "No such file" in told["trouble"][0]
    file.write_text(solution("gelu"), "utf-8")
    assert playground.ask("/mine")[1]["models"] == ["storyteller with your gelu"]
    old = {"model": "storyteller with your CausalSelfAttention", "prompt": "Once"}
    assert playground.ask("/generate", old)[0] == 404


FORWARD = "from torch import nn\nclass MLP(nn.Module):\n    def __init__(self, config):\n        super().__init__()\n"
PARAMETERS = (
    "        from minigpt.models.layers import Linear\n        self.c_fc = Linear(config.n_embd, config.n_inner)\n"
    "        self.c_proj = Linear(config.n_inner, config.n_embd)\n    def forward(self, x):\n"
)


@pytest.mark.parametrize(
    ("code", "settings", "reason"),
    [
        (
            FORWARD + PARAMETERS + "        return x.nope\n",
            {},
            "your MLP: it fails inside the model: line 9: return x.n",
        ),
        (FORWARD + PARAMETERS + "        raise SystemExit\n", {}, "your MLP: it fails inside the model: line 9: raise"),
        (FORWARD + PARAMETERS + "        while True: pass\n", {}, "your MLP: it takes more than 0 seconds: does it e"),
        (
            FORWARD + PARAMETERS + "        return x[:, :, :3]\n",
            {},
            "your MLP: it fails inside the model: RuntimeError",
        ),
        (FORWARD + "        while True: pass\n", {}, "your MLP: it takes more than 0 seconds"),
        (
            FORWARD + "    def forward(self, x): return x\n",
            {},
            "your MLP: its parameters are not the checkpoint's; c_fc",
        ),
        ("def gelu(x): return x * float('nan')\n", {}, "your gelu: with it the model's logits are not all finite"),
        ("from torch import nn\nclass GPT2(nn.Module): pass\n", {}, "your GPT2: it fails inside the model: TypeError"),
        ("def encode(piece, ranks): return [9999]\n", {}, "id 9999 is not in the vocabulary: ids are 0 to 4095"),
        ("def encode(piece, ranks): return 'abc'\n", {}, "your encode: it fails inside the model: ValueError"),
        ("def next_probs(logits): return logits[:, :, :5]\n", {}, "your next_probs: it gives (1, 1, 5), asked for is"),
        ("def next_probs(logits): return logits[:, -1] * 0\n", {}, "your next_probs: it leaves no token to draw"),
        ("def sample(probs, u): return [4096]\n", {}, "your sample: it draws the id 4096: ids are 0 to 4095"),
        ("def sample(probs, u): return None\n", {}, "your sample: it fails inside the model: TypeError"),
        ("def greedy(model, ids, n, eos, n_ctx): return [5000]\n", {"temperature": 0}, "your greedy gives the id 5000"),
        (
            "def greedy(model, ids, n, eos, n_ctx): return [5] * 9\n",
            {"temperature": 0},
            "your greedy gives 9 tokens: 2",
        ),
        (
            "def greedy(model, ids, n, eos, n_ctx):\n    while True: pass\n",
            {"temperature": 0},
            "your greedy: it takes mo",
        ),
    ],
    ids=lambda value: repr(value)[-40:],
)
def test_a_part_that_goes_wrong_says_so_in_a_line(
    code: str, settings: Any, reason: str, mine: Any, monkeypatch: Any, lm: LanguageModel
) -> None:
    playground = mine(code)
    monkeypatch.setattr(parts.at_work, "__defaults__", (0.4,))
    monkeypatch.setattr(with_part, "TEXT", 0.4)
    body = {"settings": {"temperature": 1, "max_new_tokens": 2, "seed": 1, **settings}}
    with playground.open("/generate", {"model": name_of(playground), "prompt": PROMPT, **body}) as answer:
        told = answer.read().decode()
    assert reason in told
    assert "Traceback" not in told
    ordinary = text_of(playground, "storyteller", **body)
    assert ordinary["text"] == lm.generate(PROMPT, **body["settings"]).text
    assert playground.shelf.mine.worker.thread.is_alive()
    assert sys.stdout is sys.__stdout__ or "pytest" in repr(sys.stdout.__class__) or "Encoded" in repr(sys.stdout)


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("top_k", {"temperature": 0}, "your top_k is for sampling: give a temperature above 0"),
        ("top_k", {"top_k": 0, "temperature": 1}, "top_k is off, so that your top_k has nothing to do"),
        ("sample", {"temperature": 0, "num_beams": 2}, "your sample is for sampling"),
        ("greedy", {"temperature": 1}, "your greedy searches: choose greedy"),
        ("beam", {"temperature": 0}, "your beam searches: choose beams"),
        ("greedy", {"temperature": 0, "repetition_penalty": 1.2}, "your greedy penalizes nothing"),
        ("MLP", {"temperature": -1}, "temperature must be"),
    ],
    ids=str,
)
def test_settings_that_leave_a_part_nothing_to_do(name: str, settings: Any, reason: str, mine: Any) -> None:
    playground = mine(solution(name))
    status, told = playground.ask("/generate", {"model": name_of(playground), "prompt": "a", "settings": settings})
    assert status == 422
    assert reason in told["error"]


def test_a_part_that_spoils_its_weights_spoils_nobody_elses(mine: Any, lm: LanguageModel) -> None:
    playground = mine("def embed(ids, wte, wpe):\n    wte.mul_(0)\n    return wte[ids] + wpe[:ids.shape[1]]\n")
    settings = {"temperature": 0, "max_new_tokens": 4}
    text_of(playground, settings=settings)
    assert (
        text_of(playground, "storyteller", settings=settings)["text"]
        == load("storyteller").generate(PROMPT, **settings).text
    )  # type: ignore[call-overload]
    assert lm.model.wte.weight.abs().sum() > 0  # type: ignore[attr-defined]


def test_a_part_that_spoils_its_weights_spoils_no_other_part(mine: Any, lm: LanguageModel) -> None:
    spoiling = "def embed(ids, wte, wpe):\n    wte.mul_(0)\n    return wte[ids] + wpe[:ids.shape[1]]\n"
    playground = mine(spoiling + solution("MLP"))
    settings: Any = {"temperature": 0, "max_new_tokens": 4}
    spoiled = text_of(playground, settings=settings)["text"]
    other = text_of(playground, name_of(playground, 1), settings=settings)["text"]
    assert spoiled != other == lm.generate(PROMPT, **settings).text


def test_texts_with_a_part_that_remembers_do_not_mix(mine: Any, lm: LanguageModel) -> None:
    playground, found = mine(solution("cached_attention")), dict[int, str]()

    def write(seed: int) -> None:
        settings = {"temperature": 0.9, "seed": seed, "max_new_tokens": 8}
        found[seed] = text_of(playground, settings=settings)["text"]

    threads = [threading.Thread(target=write, args=(seed,)) for seed in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {seed: lm.generate(PROMPT, temperature=0.9, seed=seed, max_new_tokens=8).text for seed in (1, 2, 3)}


def test_who_goes_away_stops_a_search(mine: Any) -> None:
    playground = mine(
        "def greedy(model, ids, n, eos, n_ctx):\n    while True:\n        best = int(model(ids).argmax())\n"
    )
    body = {"model": name_of(playground), "prompt": "a", "settings": {"temperature": 0, "max_new_tokens": 9}}
    answer = playground.open("/generate", body)
    answer.readline()
    time.sleep(0.3)
    answer.connection.sock.close()
    answer.close()
    begin = time.monotonic()
    until(lambda: playground.shelf.mine.worker.jobs == type(playground.shelf.mine.worker.jobs)())
    text_of(playground, "storyteller", settings={"max_new_tokens": 1})
    done = threading.Event()
    playground.shelf.mine.worker.submit(_told(done))
    assert done.wait(10)
    assert time.monotonic() - begin < 10  # not the half minute that it may take


def _told(done: threading.Event) -> Any:
    from minigpt.playground.work import Job

    def steps() -> Iterator[dict[str, Any]]:
        done.set()
        yield {}

    return Job(steps(), lambda _: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["attention", "lens", "architecture"])
def test_pictures_of_the_inside_are_the_projects(what: str, mine: Any) -> None:
    playground = mine(solution("MLP"))
    body = {"model": name_of(playground), "prompt": "Once"}
    for path, more in (
        ("/picture", {"what": what}),
        ("/bars", {"without": [[0, 1]]}),
        ("/generate", {"without": [[0, 1]]}),
    ):
        status, told = playground.ask(path, {**body, **more})
        assert status == 422
        assert "this looks inside the project's own modules" in told["error"]
    assert playground.ask("/picture", {**body, "what": "surprise"})[0] == 200


def test_the_models_say_which_part_and_what_it_needs(mine: Any) -> None:
    playground = mine(solution("top_k") + solution("MLP"))
    one, two = [model for model in playground.ask("/models")[1] if "part" in model]
    assert (one["name"], one["part"], one["needs"]["top_k"]) == ("storyteller with your top_k", "top_k", 3)
    assert (two["loaded"], two["needs"], two["n_layer"]) == (True, {}, 6)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (None, "mine.py: No such file or directory"),
        ("x = 1\n", "mine.py: no exercise in it: define one by its name, such as def merge or class LayerNorm"),
        ("def top_k(:\n", "no exercise in it"),
    ],
)
def test_a_file_without_an_exercise_is_one_line(
    code: str | None, message: str, tmp_path: Path, lm: LanguageModel, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("minigpt.language_model.load", lambda *_, **__: lm)
    if code:
        (tmp_path / "mine.py").write_text(code)
    assert main(["play", "--mine", str(tmp_path / "mine.py")]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    assert message in err


def test_the_command_tells_the_verdicts(tmp_path: Path, lm: LanguageModel, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("minigpt.language_model.load", lambda *_, **__: lm)
    monkeypatch.setattr("minigpt.commands.play.serve", lambda _, listening: listening.close())
    (tmp_path / "mine.py").write_text(solution("CausalSelfAttention", *NO_SCALE))
    assert main(["play", "--port", "0", *shlex.split(f"--mine {tmp_path / 'mine.py'}")]) == 0
    assert "✗ CausalSelfAttention: it does not divide the scores by √D\n" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["mine.py"]  # the tries are counted by minigpt check alone
