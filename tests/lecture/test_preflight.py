"""Preflight: what is planted is found and named, and what is well is one green line."""

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from minigpt.lecture import preflight, preflight_kernel, preflight_machine, preflight_rehearsal, working_file
from minigpt.lecture.held import Answer
from minigpt.lecture.kernel import LOST, Job
from minigpt.lecture.plan import Lecture, cut, lecture, text_of
from minigpt.lecture.preflight_rehearsal import Rehearsal, Watched, rehearse

TOML = (Path(working_file.__file__).parent / "plans" / "attention.toml").read_text("utf-8")
SOCKET = "import socket\nsocket.create_connection(('192.0.2.1', 443), timeout=1)"
QUIET = "print('a story')"


@pytest.fixture(scope="module")
def kernel() -> Iterator[Watched]:
    """One warm process for all tests; who closes it means another."""
    kernel = Watched()
    yield kernel
    kernel.close()


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts another plan in the place of the lecture's."""

    def put(made: Lecture | Callable[[str], Lecture]) -> None:
        monkeypatch.setattr(working_file, "lecture", made if callable(made) else lambda _: made)

    return put


def quiet(_: str) -> None:
    """No progress."""


def gone_through(kernel: Watched, folder: Path) -> Rehearsal:
    return rehearse("attention", folder, kernel, quiet)


class Screen(io.StringIO):
    """A terminal to print on."""

    encoding = "utf-8"

    def __init__(self, encoding: str = "utf-8", is_one: bool = True) -> None:
        super().__init__()
        self.encoding, self.is_one = encoding, is_one  # type: ignore[misc]

    def isatty(self) -> bool:
        return self.is_one


# -- lectures ---------------------------------------------------------------------------------------------------------


def test_a_lecture_that_is_well_is_one_green_line(
    kernel: Watched,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    plan: Callable[..., None],
) -> None:
    plan(replace(lecture("attention"), run=QUIET, checks=()))
    monkeypatch.setattr(preflight, "Watched", lambda: kernel)
    monkeypatch.setattr(kernel, "close", lambda: None)
    monkeypatch.setattr(preflight, "ANSWER", 60)
    monkeypatch.setattr(preflight, "SLOWEST", 60)
    assert preflight.run(["attention"], tmp_path) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    (row,) = [line for line in lines if line.startswith("attention")]
    steps, memory = len(lecture("attention").steps), int(row.split()[-2])
    assert f"✓  {steps} steps" in row
    assert 50 < memory < 5000
    assert last.startswith(f"ready: 1 lecture, {steps} steps in ")
    assert last.endswith(f"with the network off, {memory} MB at most")
    assert [line.split()[0] for line in lines if line.split()[1] == "✓"] == [
        *("folder", "terminal", "screens", "attention", "process", "machine", "answers", "editor"),
    ]
    assert not [*tmp_path.iterdir()]


def test_each_step_is_checked_and_runs_as_it_stands(
    kernel: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: Callable[..., None]
) -> None:
    made = lecture("attention")
    seen: list[str] = []
    monkeypatch.setattr(preflight_rehearsal.Held, "check", lambda held: seen.append(held.title()) or Answer(True, ""))
    monkeypatch.setattr(preflight_rehearsal, "ran", lambda _: [])
    one = gone_through(kernel, tmp_path / "well")
    assert [title[:1] for title in seen] == ["n", "1", "2", "3", "4", "5"]
    assert one.wrong == []
    assert len(one.answers) == len(seen)
    broken = replace(made.steps[0], lines=(*made.steps[0].lines, "", "", "undefined_name"))
    plan(replace(made, steps=(broken, *made.steps[1:])))
    (wrong,) = gone_through(kernel, tmp_path / "broken").wrong
    assert wrong.startswith("attention, step 1. Softmax: scores to weights: the file does not run: line ")
    assert "undefined_name" in wrong
    plan(made)
    monkeypatch.setattr(preflight_rehearsal.Held, "check", lambda _: Answer(False, "not right yet: no_mask", [" why"]))
    (wrong,) = gone_through(kernel, tmp_path / "wrong").wrong
    assert wrong.startswith("attention, before step 1: not right yet: no_mask: why: if the source was changed")


@pytest.mark.parametrize(
    ("toml", "read", "named"),
    [
        (TOML.replace('starts = "class Attention(nn.Module):"', 'starts = "class Attn:"'), text_of, "step 2, A module"),
        (
            TOML,
            lambda name: text_of(name).replace("scores = scores.masked_fill(~mask, -math.inf)", "scores = scores + 0"),
            "step 4, The mask, the weights, the mean",
        ),
        (TOML, lambda name: text_of(name).replace(" / math.sqrt(q.shape[-1])", ""), "break scale"),
    ],
    ids=["plan", "break left in", "another break"],
)
def test_a_plan_that_no_longer_fits_and_a_break_left_in_the_source_are_named(
    kernel: Watched, tmp_path: Path, plan: Callable[..., None], toml: str, read: Callable[[str], str], named: str
) -> None:
    plan(lambda name: cut(name, toml, read))
    (wrong,) = gone_through(kernel, tmp_path).wrong
    assert named in wrong
    assert wrong.endswith("git diff shows where and git stash takes it back")
    assert "\n" not in wrong


@pytest.mark.parametrize(
    ("run", "wrong"),
    [
        (QUIET, ""),
        (SOCKET, "NetworkOff: it asks for 192.0.2.1, and in a hall there may be no network: fetch it beforehand"),
        ("import urllib.request\nurllib.request.urlopen('https://example.org')", "NetworkOff: it asks for example.org"),
        ("import socket\nwith socket.socket() as s:\n    s.connect_ex(('127.0.0.1', 9))\nprint('loopback')", ""),
        ("minigpt.load('gpt2')", "minigpt download gpt2"),
        ("pass", "it prints nothing"),
        ("import os\nos._exit(3)", "ended by itself"),
    ],
    ids=["well", "socket", "address", "loopback", "checkpoint", "silent", "crash"],
)
def test_the_run_needs_no_network_and_prints(
    kernel: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: Callable[..., None], run: str, wrong: str
) -> None:
    monkeypatch.setattr(preflight_rehearsal, "typed_through", lambda *_: [])
    plan(replace(lecture("attention"), run=run))
    found = gone_through(kernel, tmp_path).wrong
    assert (found != []) == bool(wrong)
    assert all(wrong in line and line.startswith("attention, run: ") for line in found), found


def test_a_check_that_is_slow_is_timed_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: Watched
) -> None:
    took = iter([0.1, 9.0, 0.2, 0.1, 9.0, 8.0, 0.1, 0.1])
    monkeypatch.setattr(preflight_rehearsal, "timed", lambda _: (next(took), Answer(True, "")))
    monkeypatch.setattr(preflight_rehearsal.Kernel, "ask", lambda *_: {"right": True})
    monkeypatch.setattr(preflight_rehearsal, "ran", lambda _: [])
    one = gone_through(kernel, tmp_path)
    assert [*one.answers.values()] == [0.1, 0.2, 0.1, 8.0, 0.1, 0.1]
    assert max(one.answers, key=one.answers.__getitem__) == "attention, step 3. The scores of all pairs"
    assert not one.wrong


def test_a_slow_step_is_named_and_a_slow_machine_once() -> None:
    assert not preflight.answering({"a": 0.1, "b": 0.2, "c": 1.9}).wrong
    slow = preflight.answering({"a": 0.1, "bpe, step 2. Pairs": 3.0, "c": 0.2})
    assert slow.says == "in 0.20 s, the slowest in 3.00 s"
    assert slow.wrong.startswith("bpe, step 2. Pairs: a check takes 3.0 s: ")
    assert preflight.answering({"a": 0.1, "b": 0.4, "c": 9.0}).wrong.startswith("a check takes 0.40 s, not 0.3: close")


def test_all_problems_are_listed_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(name: str, folder: Path, *_: object) -> Rehearsal:
        assert folder.is_dir()
        return Rehearsal(name, 4, {"a": 0.1}, memory=10**9, wrong=[f"{name}: torn: mend it"] * (name != "gpt2"))

    monkeypatch.setattr(preflight, "rehearse", gone)
    monkeypatch.setattr(preflight, "started", lambda *_: (2.5, ""))
    monkeypatch.setattr(preflight, "NAMES", ("attention", "gpt2", "bpe"))
    assert preflight.run([], tmp_path) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-3:] == ["not ready, 2 things to do:", "✗ attention: torn: mend it", "✗ bpe: torn: mend it"]
    assert [line.split()[1] for line in out if line.split()[0] in ("attention", "gpt2", "bpe")] == ["✗", "✓", "✗"]
    with pytest.raises(ValueError, match=r"no lecture 'atention': .*attention"):
        preflight.run(["atention"], tmp_path)


def test_a_process_that_does_not_start_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "torn.py"
    broken.write_text("raise SystemExit('storyteller: its logits are not those stored')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    class Lost(Watched):
        MODULE = "torn"

        def ask(self, *_: object) -> Job:  # type: ignore[override]
            return LOST

    monkeypatch.setattr(preflight, "Watched", Lost)
    assert preflight.run(["bpe", "attention"], tmp_path) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-2] == "not ready, 1 thing to do:"
    assert "does not start: storyteller: its logits are not those stored: if the source was changed" in out[-1]


def test_a_lecture_that_the_process_cannot_rehearse_is_typed_through_all_the_same() -> None:
    asked: list[list[str]] = []

    class Picky(Watched):
        def ask(self, *_: object) -> Job:  # type: ignore[override]
            asked.append([job["do"] for job in self.first])
            return LOST if self.first else {"right": True}

    assert preflight.started("attention", Picky())[1] == ""
    assert asked == [["try_out", "examine"], []]


# -- the machine ------------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_into(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not preflight_machine.place(tmp_path / "not" / "yet").wrong
    assert not [*tmp_path.iterdir()]

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(preflight_machine.tempfile, "mkdtemp", refuse)
    wrong = preflight_machine.place(tmp_path).wrong
    assert wrong.startswith(f"{tmp_path} cannot be written into (Read-only file system): name another")
    monkeypatch.undo()
    monkeypatch.setattr(preflight_machine, "DISK", 1e30)
    assert "MB left: make room" in preflight_machine.place(tmp_path).wrong


def test_memory_and_the_library_of_the_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight_machine, "free_memory", lambda: 300_000_000)
    assert not preflight_machine.machine(200_000_000).wrong
    assert preflight_machine.machine(400_000_000).wrong.startswith("300 MB of memory free, a lecture takes 400 MB")
    monkeypatch.setattr(preflight_machine, "find_spec", lambda _: None)
    assert preflight_machine.library().wrong.endswith("pip install textual")


@pytest.mark.parametrize(
    ("size", "wrong"), [((80, 24), ""), ((40, 20), ""), ((39, 24), "39 × 24 cells"), ((80, 19), "80 × 19 cells")]
)
def test_the_size_of_the_terminal(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], wrong: str) -> None:
    monkeypatch.setenv("COLUMNS", str(size[0]))
    monkeypatch.setenv("LINES", str(size[1]))
    seen = preflight_machine.terminal(Screen())
    assert seen.wrong.startswith(wrong)
    assert bool(seen.wrong) == bool(wrong)
    assert ("from 80 × 24" in seen.says) == (size == (40, 20))
    assert not preflight_machine.terminal(Screen(is_one=False)).wrong


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_an_encoding_that_lacks_what_the_screens_draw(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    seen = preflight_machine.terminal(Screen(encoding, is_one=False))
    assert seen.wrong.startswith(f"the terminal's encoding, {encoding}, has no ")
    assert seen.wrong.isascii()
    monkeypatch.setattr(sys, "stdout", Screen("ascii"))
    assert (preflight.sign(True), preflight.sign(False)) == ("ok", "no")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw := io.BytesIO(), encoding="ascii", newline="\n"))
    preflight.printed("80 × 24")
    assert raw.getvalue() == b"80 ? 24\n"


def test_the_terminal_says_how_wide_it_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of ours, on a real pseudo-terminal, that draws frames two cells wide, as some in East Asia."""
    if os.name != "posix":
        pytest.skip("no pseudo-terminals here")
    leader, follower = os.openpty()

    def draw() -> None:
        text, column = "", 1
        while True:
            text += os.read(leader, 1024).decode(errors="ignore")
            while "\x1b[6n" in text:
                drawn, _, text = text.partition("\x1b[6n")
                column = 1 + sum(2 if sign in "│─" else 1 for sign in drawn.rpartition("\r")[2])
                os.write(leader, f"\x1b[7;{column}R".encode())
            if "\x1b[K" in text:
                return

    terminal = threading.Thread(target=draw, daemon=True)
    terminal.start()
    with os.fdopen(follower, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        monkeypatch.setattr(sys, "stdout", stream)
        signs = ["✓", "│", "…", "─"]
        assert preflight_machine.wide_ones(signs) == ["│", "─"]
    terminal.join(5)
    os.close(leader)
    assert not terminal.is_alive()


def test_what_is_drawn_is_what_the_sources_hold() -> None:
    signs = preflight_machine.drawn()
    assert {"✓", "✗", "×", "…", "│", "█"} <= {*signs}
    assert not [sign for sign in signs if preflight_machine.cells(sign) != 1]


def test_the_network_is_off_by_name() -> None:
    for event, args in (
        ("socket.connect", (None, ("93.184.216.34", 80))),
        ("socket.sendto", (None, ("93.184.216.34", 53))),
        ("socket.getaddrinfo", (b"example.org", 80, 0, 0, 0)),
        ("socket.gethostbyname", ("example.org",)),
    ):
        with pytest.raises(preflight_kernel.NetworkOff, match=r"example|93\.184"):
            preflight_kernel.refuse(event, args)
    for event, args in (
        ("socket.connect", (None, "/run/socket")),
        ("open", ("a",)),
        ("socket.connect", (None, ("::1", 80, 0, 0))),
    ):
        preflight_kernel.refuse(event, args)
