"""One look: what prints tokens, bars and tables does it in the same colours, widths, names and percentages."""

import re
import sys
from collections.abc import Iterator

import pytest

import minigpt
from minigpt.chat.compare import ANSWERS, BARE, CONTINUES, Answer, Comparison, lines_of
from minigpt.cli import main
from minigpt.pictures.terminal import SHADES
from tokenizer.display import BOLD, DIM, PALE, SECOND, TINT, cells, fill, paint

PROMPT = "The king said: 日本 é"
COMMANDS = (
    *(["next", PROMPT, "-k", "4", "--top-k", "2"], ["next", PROMPT, "-k", "3", "-t", "1", "--top-p", "1"]),
    *(["tokens", PROMPT], ["tokens", PROMPT, "--raw"], ["tokens", PROMPT, "--trace"]),
    *(["inspect", "storyteller"], ["inspect", "storyteller", "--activations"], ["models"]),
    *(["show", "lens", PROMPT], ["show", "attention", PROMPT], ["show", "beams", PROMPT], ["show", "model"]),
    *(["show", "bars", PROMPT, "--top-k", "2"], ["show", "merges", PROMPT]),
)
ESCAPE = re.compile("\033\\[([\\d;]*)m")
PALETTE = {"0", TINT, SECOND, BOLD, DIM, *PALE} | {f"48;5;{n};38;5;{t}" for n in SHADES if n for t in (16, 231)}


@pytest.fixture(autouse=True, scope="module")
def loaded_once() -> Iterator[None]:
    lm = minigpt.load("storyteller", device="cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minigpt.language_model.load", lambda *_, **__: lm)
        yield


def shown(words: list[str], width: int, color: bool, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command writes to a terminal, or to a pipe that is as wide."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        for name in ("NO_COLOR", "TERM"):
            patch.delenv(name, raising=False)
        patch.setattr(type(sys.stdout), "isatty", lambda _: color, raising=False)
        assert main(words) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("width", [40, 200])
def test_color_adds_only_the_palette(words: list[str], width: int, capsys: pytest.CaptureFixture[str]) -> None:
    plain, colored = (shown(words, width, color, capsys) for color in (False, True))
    assert "\033" not in plain
    assert ESCAPE.sub("", colored) == plain
    assert set(ESCAPE.findall(colored)) <= PALETTE
    assert max(map(cells, plain.splitlines())) <= width
    first = colored.splitlines()[0]
    assert first.startswith((f"\033[{BOLD}m", f"\033[{DIM}m")), "a title is bold, a head or a name dim"
    for line in colored.splitlines():
        assert len(re.findall("\033\\[0m", line)) * 2 == len(ESCAPE.findall(line)), "no look runs over a line's end"


def test_a_surprise_is_the_text_itself_on_its_shades(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(["show", "surprise", PROMPT], 50, True, capsys).splitlines()
    assert ESCAPE.sub("", "".join(lines[1:])).startswith("The·king·said:·<e6><97><a5>")
    assert all(cells(ESCAPE.sub("", line)) <= 50 for line in lines)


def test_next_and_show_name_tokens_and_chances_alike(capsys: pytest.CaptureFixture[str]) -> None:
    flags = [PROMPT, "-k", "6", "-t", "0.8", "--top-k", "3"]
    one = [line.split() for line in shown(["next", *flags], 80, False, capsys).splitlines()[1:]]
    two = [line.split() for line in shown(["show", "bars", *flags], 80, False, capsys).splitlines()[2:]]
    assert [words[1:3] for words in one] == [words[:2] for words in two]
    ends = [re.findall(r"[\d.<]+ %|dropped", " ".join(words))[-1] for words in one]
    assert ends == [re.findall(r"[\d.<]+ %|dropped", " ".join(words))[-1] for words in two]
    assert 3 <= ends.count("dropped") < 6


def test_a_part_of_a_character_is_its_bytes_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["next", "a", "-k", "4096"], ["show", "lens", "日"], ["show", "attention", "日", "--head", "1"]):
        out = shown(words, 80, False, capsys)
        assert "�" not in out
        assert "<e6>" in out
    assert "<e6>" in minigpt.load("storyteller").show.surprise("日").svg().replace("&lt;", "<").replace("&gt;", ">")


def test_next_draws_before_in_blue_and_after_in_orange(capsys: pytest.CaptureFixture[str]) -> None:
    head, *lines = shown(["next", PROMPT, "-k", "4", "--top-k", "2"], 80, True, capsys).splitlines()
    assert head.index("before") < head.index("after")
    for line in lines[:2]:
        assert [look for look in ESCAPE.findall(line) if look != "0"] == [TINT, SECOND]
        assert re.search(rf"\033\[{TINT}m[█▏▎▍▌▋▊▉]+\033\[0m", line)
    for line in lines[2:]:
        assert {look for look in ESCAPE.findall(line) if look != "0"} == {DIM}, "what is dropped fades whole"


def test_the_answers_heads_are_blue_and_orange() -> None:
    answers = [Answer(kind[0], kind, "日本 " * 9, "eos", 3) for kind in (CONTINUES, ANSWERS, BARE)]
    for width in (40, 80, 200):
        plain, colored = (lines_of(Comparison("Hi", "greedy", {}, answers), width, color) for color in (False, True))
        assert [ESCAPE.sub("", line) for line in colored] == plain
        looks = [look for look in ESCAPE.findall("".join(colored)) if look in (TINT, SECOND)]
        assert looks[:3] == [TINT, SECOND, SECOND]
        assert colored[0] == f"\033[{BOLD}mHi · greedy\033[0m"


def test_the_trace_marks_what_a_merge_made(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(["tokens", "able", "--trace"], 80, True, capsys).splitlines()
    made = [re.findall(rf"\033\[{TINT}m(.*?)\033", line) for line in lines]
    assert made == [[], [], ["le"], ["ble"], ["able"]]


def test_lines_are_filled_and_blanks_not_painted() -> None:
    assert fill([], 8) == [range(0)]
    assert fill([9, 1, 1, 1], 3, gap=0) == [range(1), range(1, 4)]
    assert fill([2, 2, 2], 5) == [range(2), range(2, 3)]
    assert (paint("  ", BOLD), paint("a ", BOLD), paint("a", BOLD, color=False)) == ("  ", "\033[1ma\033[0m ", "a")
