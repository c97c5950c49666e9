"""The playground in a notebook: its texts are those of generate, it blocks nothing, and faults are one red line."""

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import ipywidgets
import nbformat
import pytest
from nbclient import NotebookClient

import minigpt
from minigpt import LanguageModel
from minigpt.cli import main
from minigpt.playground.texts import as_code, growing
from minigpt.widgets import named

ROOT = Path(__file__).parents[1]
PROMPT = "Once upon a time <there> & then"


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return minigpt.load("storyteller", device="cpu")


def parts(box: Any) -> Iterator[Any]:
    for child in getattr(box, "children", ()):
        yield child
        yield from parts(child)


class Hand:
    """A user: finds widgets by their labels."""

    def __init__(self, models: Any = None, **more: Any) -> None:
        self.box = minigpt.widgets.playground(models, **more)
        self.by_label = {w.description: w for w in parts(self.box) if getattr(w, "description", "")}
        self.status, self.text, self.code = (w for w in parts(self.box) if type(w) is ipywidgets.HTML)

    def set(self, **values: Any) -> "Hand":
        for label, value in values.items():
            self.by_label[label.replace("_", " ").replace("Top ", "Top-")].value = value
        return self

    def click(self, label: str = "Generate") -> "Hand":
        self.by_label[label].click()
        return self

    def wait(self) -> str:
        until(lambda: not self.by_label["Generate"].disabled)
        return self.shown

    @property
    def shown(self) -> str:
        return unescape(re.sub("<[^>]*>", "", self.text.value))


def until(done: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it does not come to an end"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("labels", "settings"),
    [
        ({"Strategy": "greedy"}, {"temperature": 0}),
        ({"Strategy": "sampling"}, {"temperature": 0.8, "top_k": 50, "top_p": 1.0, "seed": 0}),
        (
            {"Temperature": 1.5, "Top-k": 0, "Top-p": 0.5, "Seed": 7},
            {"temperature": 1.5, "top_k": 0, "top_p": 0.5, "seed": 7},
        ),
        ({"Temperature": 0.0}, {"temperature": 0}),
        ({"Strategy": "beam search"}, {"num_beams": 4, "temperature": 0}),
        ({"Strategy": "beam search", "Beams": 2}, {"num_beams": 2}),
        ({"Strategy": "beam search", "Beams": 1}, {"temperature": 0}),
    ],
)
def test_the_text_is_that_of_generate(lm: LanguageModel, labels: dict[str, Any], settings: dict[str, Any]) -> None:
    for prompt in (PROMPT, "", "<|endoftext|>"):
        hand = Hand(lm).set(Prompt=prompt, New_tokens=12, **labels).click()
        wanted = lm.generate(prompt, max_new_tokens=12, **settings)
        assert hand.wait() == prompt + wanted.text
        assert "<there>" not in hand.text.value
        assert f"{len(wanted.ids)} tokens" in hand.status.value
        assert hand.status.value.endswith(f"ended by {wanted.finish_reason}")


def test_what_a_model_writes_is_text_and_no_html(lm: LanguageModel) -> None:
    ids = lm.encode("<i>&")
    bias = [[ids[: n + 1], 100.0 * (n + 1)] for n in range(len(ids))]
    writer = LanguageModel(lm.model, lm.tokenizer, {"sequence_bias": bias})
    hand = Hand(writer).set(Strategy="greedy", New_tokens=len(ids)).click()
    assert hand.wait() == "Once upon a time<i>&"
    assert "</b>&lt;i&gt;&amp;" in hand.text.value


@pytest.mark.parametrize(
    ("strategy", "prompt"),
    [("sampling", '-It\'s\n"odd" <b> $HOME `x`'), ("greedy", "--json"), ("beam search", "-- \\ é")],
)
def test_the_code_beside_it_gives_the_same_text(strategy: str, prompt: str, capsys: pytest.CaptureFixture[str]) -> None:
    hand = Hand().set(Model="storyteller", Strategy=strategy, Prompt=prompt, New_tokens=12).click()
    shown = hand.wait()
    python, command = unescape(re.sub("<[^>]*>", "", hand.code.value.split("</summary>")[1])).split("\nminigpt ")
    assert prompt + eval(python) == shown
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out == shown + "\n"


@pytest.mark.parametrize("strategy", ["sampling", "greedy", "beam search"])
def test_a_chat_message_gets_the_answer_of_chat(lm: LanguageModel, strategy: str) -> None:
    """By a model with a chat template; the others say that they have none."""
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
    talker = LanguageModel(lm.model, lm.tokenizer, lm.generation_config, template, "talker")
    prompt = "Tell me a fun fact about <space>."
    hand = Hand(talker).set(Prompt=prompt, Strategy=strategy, New_tokens=9, as_a_chat_message=True).click()
    shown = hand.wait()
    settings = {"max_new_tokens": 9, "temperature": 0} | {
        "sampling": {"temperature": 0.8, "top_k": 50, "top_p": 1.0, "seed": 0},
        "greedy": {},
        "beam search": {"num_beams": 4},
    }[strategy]
    assert shown == prompt + "\n\n" + talker.chat([{"role": "user", "content": prompt}], **settings).text  # type: ignore[arg-type]
    code = unescape(re.sub("<[^>]*>", "", hand.code.value.split("</summary>")[1]))
    assert prompt + "\n\n" + eval(code, {"lm": talker}) == shown
    assert "has no chat template" in hand.set(Model="storyteller").click().wait()


def test_a_given_model_is_called_lm_in_the_code(lm: LanguageModel) -> None:
    hand = Hand(lm).set(New_tokens=2).click()
    hand.wait()
    assert "lm.generate(&#x27;Once upon a time&#x27;" in hand.code.value
    assert "minigpt generate" not in hand.code.value
    assert as_code(lm, "a", {"top_k": 1}) == "lm.generate('a', top_k=1).text"


def test_a_text_grows_token_by_token_and_a_beam_search_too(lm: LanguageModel) -> None:
    for settings in ({"temperature": 0}, {"num_beams": 3}):
        seen = [(s.text, len(s.new_ids)) for s in growing(lm, "Once", {"max_new_tokens": 9, **settings})]
        assert [n for _, n in seen][:9] == list(range(1, 10))
        assert seen[-1][0] == lm.generate("Once", max_new_tokens=9, **settings).text  # type: ignore[call-overload]


def test_a_beam_that_ended_early_may_win(lm: LanguageModel) -> None:
    ends = lm.encode(".")
    short = LanguageModel(lm.model, lm.tokenizer, {"eos_token_id": ends})
    settings = {"num_beams": 3, "max_new_tokens": 12}
    shown = 0
    for prompt in (
        "She said",
        "The king",
        "He went home",
        "They lived",
        "Once upon a time",
        "The fox ran",
        "So she went",
    ):
        seen = [sequence.text for sequence in growing(short, prompt, settings)]
        assert seen[-1] == short.generate(prompt, num_beams=3, max_new_tokens=12).text
        shown += bool(seen[-1]) and not seen[-2].startswith(seen[-1])
    assert shown, "a case is to show it"


def test_no_half_character_is_shown(lm: LanguageModel) -> None:
    def emoji(**more: Any) -> list[str]:
        fox = lm.encode("🦊")
        bias = {"max_new_tokens": 4, "sequence_bias": {tuple(fox[: n + 1]): 100.0 * (n + 1) for n in range(len(fox))}}
        return [s.text for s in growing(lm, "A fox", {**bias, "temperature": 0, **more})]

    for texts in (emoji(), emoji(num_beams=2)):
        assert "🦊" in texts[-1]
        assert not any("\ufffd" in text for text in texts)


def slow(seconds: float) -> LanguageModel:
    """A model that takes its time, and counts its steps."""
    twin = minigpt.load("storyteller", device="cpu", plain=True)
    twin.steps = 0  # type: ignore[attr-defined]

    def wait(*_: object) -> None:
        twin.steps += 1  # type: ignore[attr-defined]
        time.sleep(seconds)

    twin.model.ln_f.register_forward_pre_hook(wait)  # type: ignore[union-attr, operator]
    return twin


@pytest.mark.parametrize("strategy", ["sampling", "beam search"])
def test_stop_ends_it_within_one_token(lm: LanguageModel, strategy: str) -> None:
    twin = slow(0.1)
    hand = Hand(twin).set(Strategy=strategy)
    begin = time.monotonic()
    hand.click()
    assert time.monotonic() - begin < 0.1, "the click waits"
    assert hand.by_label["Generate"].disabled
    assert not hand.by_label["Stop"].disabled
    until(lambda: twin.steps == 3)  # type: ignore[attr-defined]
    hand.click("Stop")
    hand.wait()
    assert twin.steps <= 4, "more than the token under way"  # type: ignore[attr-defined]
    assert hand.by_label["Stop"].disabled
    assert hand.status.value.endswith("ended by Stop")
    if strategy == "sampling":
        whole = lm.generate("Once upon a time", temperature=0.8, top_k=50, top_p=1.0, seed=0, max_new_tokens=100).text
        assert "Once upon a time" < hand.shown < "Once upon a time" + whole
        assert ("Once upon a time" + whole).startswith(hand.shown)
    assert "; 3 tokens" in hand.set(New_tokens=3).click().wait() + hand.status.value, "the next text is stopped, too"


def test_a_second_click_while_it_writes_does_nothing() -> None:
    twin = slow(0.03)
    hand = Hand(twin).set(New_tokens=5).click()
    hand.set(Prompt="Another").click().click()
    assert hand.wait().startswith("Once upon a time")
    assert twin.steps <= 5  # type: ignore[attr-defined]
    assert hand.click().wait().startswith("Another")


def test_the_values_are_those_of_the_click(lm: LanguageModel) -> None:
    hand = Hand(slow(0.03)).set(New_tokens=5).click().set(Temperature=2.0, New_tokens=50, Strategy="greedy")
    wanted = lm.generate("Once upon a time", temperature=0.8, top_k=50, top_p=1.0, seed=0, max_new_tokens=5).text
    assert hand.wait() == "Once upon a time" + wanted


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"Top-k": -1}, "top_k must be a whole number, 0 (off) or more, not -1"),
        ({"New tokens": -5}, "max_new_tokens"),
        ({"New tokens": 10**6}, "exceed the context"),
        ({"Strategy": "beam search", "Beams": 0}, "num_beams"),
        ({"Prompt": "word " * 3000}, "exceed the context"),
    ],
)
def test_what_is_wrong_is_one_red_line(
    lm: LanguageModel, labels: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hand = Hand(lm).set(**labels).click()
    assert says in hand.wait()
    assert "\n" not in hand.shown
    assert "color:var(--jp-error-color1" in hand.text.value
    assert capsys.readouterr() == ("", "")
    hand = hand.set(**{"Top-k": 5, "Seed": 1, "New tokens": 2, "Beams": 2, "Prompt": "Once"}).click()
    assert hand.wait() == "Once" + hand.shown.removeprefix("Once")
    assert "--jp-error" not in hand.text.value, "the next text is not red"


def test_a_model_is_loaded_when_it_is_needed_and_says_what_it_costs(tmp_path: Path) -> None:
    hand = Hand(tmp_path / "nothing", prompt="Once")
    assert hand.by_label["Model"].options[:2] == (str(tmp_path / "nothing"), "storyteller")
    said: list[str] = []
    hand.status.observe(lambda change: said.append(change["new"]), "value")
    assert "no model" in hand.click().wait()
    hand.set(Model="storyteller", New_tokens=3).click().wait()
    assert re.search(r"loading storyteller, 1\d\.\d MB on disk …", "\n".join(said))
    assert re.search(r"^storyteller: 2\d\.\d MB of memory, loaded in \d+\.\d s; 3 tokens in \d", said[-1])
    hand.click().wait()
    assert "loaded in" not in said[-1], "once"


def test_all_that_are_here_are_offered_and_none_twice(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def local(name: str) -> object:
        if name == "gpt2":
            raise ValueError("damaged")
        return name if name in ("storyteller", "qwen3-0.6b") else None

    monkeypatch.setattr("minigpt.widgets.local", local)
    assert list(named([])) == ["storyteller", "gpt2", "qwen3-0.6b"]
    other = LanguageModel(lm.model, lm.tokenizer)
    found = named([lm, lm, other, "gpt2", Path("mine")])
    assert list(found) == [
        *("storyteller (given)", "storyteller (given) (given)", "unnamed", "gpt2", "mine"),
        *("storyteller", "qwen3-0.6b"),
    ]
    assert found["storyteller (given)"] is lm
    assert found["storyteller"] == "storyteller"


def test_only_the_settings_of_the_strategy_are_shown(lm: LanguageModel) -> None:
    hand = Hand(lm)
    shown = {
        "sampling": {"Temperature", "Top-k", "Top-p", "Seed"},
        "greedy": set[str](),
        "beam search": {"Beams"},
    }
    for strategy, labels in shown.items():
        hand.set(Strategy=strategy)
        visible = {label for label, w in hand.by_label.items() if w.layout.display != "none"}
        assert visible == labels | {
            "Prompt",
            "Model",
            "Strategy",
            "New tokens",
            "Generate",
            "Stop",
            "as a chat message",
        }


def test_without_ipywidgets_one_line_says_what_to_install() -> None:
    code = "import sys, minigpt; assert 'minigpt.widgets' not in sys.modules; w = minigpt.widgets\n"
    code += "assert 'ipywidgets' not in sys.modules; sys.modules['ipywidgets'] = None; w.playground()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    last = 'ImportError: the playground needs ipywidgets: pip install "minigpt[notebook]"'
    assert done.stderr.strip().splitlines()[-1] == last
    assert "widgets" in dir(minigpt)


CELLS = (
    "import minigpt, time\nbox = minigpt.widgets.playground(minigpt.load('storyteller'))\nbox",
    "box.children[2].children[0].comm.comm_id, box.children[2].children[1].comm.comm_id",
    "n = [len(box.children[4].value) for _ in range(20) if time.sleep(0.05) is None]\nprint(n[0] < n[-1], n)",
    "print(box.children[2].children[0].disabled, box.children[4].value)",
)


@pytest.mark.slow
def test_in_a_kernel_other_cells_run_while_the_text_comes() -> None:
    """A click and a stop as a page sends them, and the values that come back to it."""
    cells = [nbformat.v4.new_code_cell(code) for code in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}})
    client.reset_execution_trackers()
    with client.setup_kernel():
        for n in (0, 1):
            client.execute_cell(cells[n], n)
        assert "application/vnd.jupyter.widget-view+json" in cells[0].outputs[0].data
        generate, stop = re.findall(r"'(\w+)'", cells[1].outputs[0].data["text/plain"])

        def press(comm_id: str) -> None:
            data = {"method": "custom", "content": {"event": "click"}}
            message = client.kc.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
            client.kc.shell_channel.send(message)

        press(generate)
        client.execute_cell(cells[2], 2)
        assert cells[2].outputs[0].text.startswith("True"), cells[2].outputs[0].text
        press(stop)
        time.sleep(0.5)
        client.execute_cell(cells[3], 3)
        values = [state["state"].get("value", "") for state in client.widget_state.values() if "state" in state]
        values += [state.get("value", "") for state in client.widget_state.values()]
    shown = cells[3].outputs[0].text
    assert shown.startswith("False <div"), shown
    assert any("<b>Once upon a time</b>" in str(value) for value in values), "the page never heard of it"
