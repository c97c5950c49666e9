"""The lecture's screen at a projector's sizes: every key, a file that is saved anyhow, a full disk, a lost process."""

import asyncio
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.events import Key
from textual.pilot import Pilot

from minigpt.lecture import live, live_file, working_file
from minigpt.lecture.held import Held
from minigpt.lecture.history import History
from minigpt.lecture.kernel import Kernel
from minigpt.lecture.live import Live
from minigpt.lecture.live_commands import Commands
from minigpt.lecture.live_view import KEYS, PART, head, key_rows, rows_of
from minigpt.lecture.moves import Answer
from minigpt.lecture.working_file import WorkingFile
from tests.lecture.light import TEXT, Light
from tokenizer.display import cells

SIZES = [(80, 24), (40, 20)]
WORDS = [word for _, _, word, _ in KEYS]


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    light = Light()
    yield light
    light.close()


class Screen:
    """What a lecturer sees and does."""

    def __init__(self, app: Live, pilot: Pilot[None]) -> None:
        self.app, self.pilot, self.held = app, pilot, app.held
        self.path = app.held.file.path

    def rows(self) -> list[str]:
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    def text(self) -> str:
        """All that can be read, with single blanks."""
        return " ".join(" ".join(self.rows()).split())

    async def until(self, true: Callable[[], Any], seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.text()
            await self.pilot.pause(0.02)

    async def press(self, *keys: str, shows: str = "") -> None:
        """Presses keys one after the other, and waits until all is done and something stands there."""
        await self.pilot.press(*keys)
        await self.until(lambda: not self.app.commands.busy() and shows in self.text())

    def file(self) -> str:
        return self.path.read_text("utf-8")

    def save(self, text: str) -> None:
        self.path.write_text(text, "utf-8")

    def states(self) -> list[str]:
        return [state.text for state in self.held.history.states]


@pytest.fixture
def hold(tmp_path: Path, kernel: Kernel) -> Callable[..., None]:
    """Holds a lecture: `hold(test, size, step)`."""

    def begin(test: Callable[[Screen], Awaitable[None]], size: tuple[int, int] = (80, 24), step: int = 0) -> None:
        async def go() -> None:
            held = Held(WorkingFile.start("attention", tmp_path / str(size)), kernel)
            if step:
                held.goto(step)
            app = Live(held)
            kernel.start()
            async with app.run_test(size=size) as pilot:
                screen = Screen(app, pilot)
                await screen.until(lambda: kernel.warm.is_set() and not app.commands.busy() and "✓" in screen.text())
                try:
                    await test(screen)
                finally:
                    app.leave()
            assert not app.commands.busy(), (app.commands.doing, app.commands.waiting)
            assert not app.return_code

        asyncio.run(go())

    return begin


@pytest.mark.parametrize("size", SIZES)
def test_each_key_does_what_it_says(hold: Any, size: tuple[int, int]) -> None:
    async def held(screen: Screen) -> None:
        lecture = screen.held.lecture
        assert all(word in " ".join(screen.rows()[-3:]) for word in WORDS)
        assert lecture.title in screen.rows()[0]
        await screen.press("n", shows="next: 1. Softmax")
        assert screen.file() == lecture.text(1)
        assert 'step 1 of 5 "Softmax' in screen.text()
        await screen.press("u", shows="step 0 of 5")
        assert screen.file() == lecture.text(0)
        await screen.press("r", shows="step 1 of 5")
        await screen.press("g", shows="4 The mask, the weights")
        await screen.press("3", "enter", shows="goto: 3. The scores of all pairs")
        assert screen.file() == lecture.text(3)
        await screen.press("g", "9", "enter", shows="steps 0 to 5, not 9")
        await screen.press("g", "o", "enter", shows="not 'o'")
        await screen.press("b", shows="2 scale: the scores are not divided")
        await screen.press("1", shows="mask breaks step 4")
        await screen.press("g", "4", "b", *"mask", "enter", shows="each token sees those after it")
        assert "scores = scores + 0" in screen.file()
        await screen.press("c", shows="not right yet: no_mask")
        await screen.press("R", shows="this file writes")
        assert PART + "dog" in screen.text() or size == (40, 20)
        await screen.press("f", shows="step 4 as in the reference")
        assert screen.file() == lecture.text(4)
        await screen.press("c", shows="right so far, 4 of 5")
        await screen.press("enter", shows=TEXT.strip())
        assert "as the reference; 1 missing step from the reference" in screen.text()
        await screen.press("t", shows="plan held step")
        await screen.press("a", *"n? q!", "enter", shows="noted: n? q!")
        assert screen.held.history.notes[-1]["says"] == "n? q!"
        await screen.press("question_mark", shows="undo: as it was before")
        await screen.press("a", "escape", "q")
        await screen.until(lambda: not screen.app.is_running)
        assert screen.file() == lecture.text(4)

    hold(held, size)


@pytest.mark.parametrize("key", ["z", "s", "escape", "n", "question_mark", "left", "a"])
def test_nothing_of_show_outlives_the_next_key(hold: Any, key: str) -> None:
    async def held(screen: Screen) -> None:
        step = screen.held.lecture.steps[3]
        await screen.press("s", shows="next: 4. The mask")
        assert "say: A token that could see" in screen.text()
        await screen.press("down", "up", "pagedown", "pageup", shows="next: 4. The mask")
        await screen.pilot.press(key)
        shown = str(screen.app.drawn["answer"])
        assert not [line for line in (*step.lines, "say: A", "ask: Two") if line.strip() and line in shown]
        await screen.until(lambda: "say: A token" not in screen.text())

    hold(held, (40, 20), 3)


def test_what_does_not_fit_can_be_scrolled_to(hold: Any) -> None:
    async def held(screen: Screen) -> None:
        await screen.press("s", shows="↓ more")
        assert "n_slots: int" not in screen.text()
        await screen.press(*["pagedown"] * 4, shows="return (slots")
        await screen.until(lambda: "↓ more" not in screen.text())

    hold(held, (40, 20), 3)


def test_two_texts_stand_side_by_side_or_below_each_other(hold: Any) -> None:
    async def held(screen: Screen) -> None:
        await screen.press("b", "1")
        await screen.press("R", shows="right would be")
        beside = [row for row in screen.rows() if PART in row]
        assert any("this file writes" in row and "right would be" in row for row in screen.rows())
        assert sum(row.count(PART) for row in beside) == 2
        await screen.pilot.resize_terminal(40, 20)
        await screen.until(lambda: "this file writes:" in screen.text())
        assert not any("this file writes" in row and "right would be" in row for row in screen.rows())
        await screen.press("pagedown", shows=PART + "ship")

    hold(held, step=4)


def test_the_x_ray_lies_over_the_lecture_until_q(hold: Any) -> None:
    async def held(screen: Screen) -> None:
        await screen.press("x", shows="X-ray of (Enter: attention):")
        await screen.press("enter", shows="step 1 at width 80")
        await screen.press("right", shows="step 2")
        await screen.press("down", shows="step 3")
        await screen.press("n", "up", shows="step 1")
        await screen.press("end", shows="step 3")
        await screen.pilot.resize_terminal(40, 20)
        await screen.press(shows="step 3 at width 40")
        await screen.press("q", shows="step 0 of 5")
        await screen.press("x", *"bpe", "enter", shows="xray: there is no part 'bpe'")
        await screen.press("x", "enter", "ctrl+c")
        await screen.until(lambda: not screen.app.is_running)
        assert screen.held.step == 0

    hold(held)


def test_every_save_is_compiled_and_recorded(hold: Any) -> None:
    async def held(screen: Screen) -> None:
        whole = screen.file()
        screen.save(whole + "x = (\n")
        await screen.until(lambda: "'(' was never closed" in screen.text())
        await screen.until(lambda: screen.states()[-1] == whole + "x = (\n")
        beside = screen.path.with_suffix(".new")
        beside.write_text(whole + "y = 1\n", "utf-8")
        beside.replace(screen.path)  # as many editors save
        await screen.until(lambda: screen.states()[-1] == whole + "y = 1\n")
        await screen.until(lambda: "✓ attention.py" in screen.text())
        screen.path.write_bytes(b"\xff\xfe")
        await screen.until(lambda: "not UTF-8" in screen.text())
        screen.save("")  # the first half of a save, and at once the second
        screen.save(whole + "z = 1\n")
        await screen.until(lambda: "✓ attention.py" in screen.text())
        screen.path.unlink()
        await screen.pilot.pause(0.3)
        assert not screen.path.exists()  # an editor may be about to write it
        await screen.until(screen.path.exists)
        assert screen.file() == whole + "z = 1\n"
        assert "" not in screen.states()

    hold(held)


def test_a_full_disk_is_one_line_and_nothing_is_lost(hold: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(live_file, "AGAIN", 0.05)

    async def held(screen: Screen) -> None:
        whole = screen.file()
        with monkeypatch.context() as patch:
            patch.setattr(working_file, "write_text", full)
            await screen.press("n", shows="next: No space left on device")
            assert screen.file() == whole
            patch.setattr(History, "_write", full)
            screen.save(whole + "x = 1\n")
            await screen.until(lambda: "not noted: No space left" in screen.text())
        await screen.until(lambda: "✓ attention.py" in screen.text())
        await screen.until(lambda: screen.states()[-1] == whole + "x = 1\n")
        await screen.press("n", shows="next: 1. Softmax")

    hold(held)


def test_whatever_goes_wrong_in_a_command_is_one_line(hold: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def held(screen: Screen) -> None:
        monkeypatch.setattr(screen.held, "check", lambda: 1 / 0)
        await screen.press("c", shows="check: ZeroDivisionError: division by zero")
        await screen.press("n", shows="next: 1. Softmax")

    hold(held)


def test_a_lost_process_is_there_again(hold: Any, kernel: Kernel) -> None:
    async def held(screen: Screen) -> None:
        assert kernel.process
        os.kill(kernel.process.pid, signal.SIGKILL)
        await screen.press("c", shows="right so far, 4 of 5")
        os.kill(kernel.process.pid, signal.SIGKILL)
        await screen.until(lambda: kernel.process and kernel.process.poll() is None)  # before it is needed
        screen.save(screen.file() + "crash\n")
        await screen.press("R", shows="ended by itself")

    hold(held, step=4)


def test_no_key_waits_for_a_loop_and_esc_ends_it(hold: Any) -> None:
    async def held(screen: Screen) -> None:
        text = screen.file()
        screen.save(text + "# forever\n")
        await screen.press()
        await screen.pilot.press("R")
        await screen.until(lambda: "Esc ends it" in screen.text())
        await screen.pilot.press("s")
        await screen.until(lambda: "next: 5. Many heads" in screen.text())
        await screen.pilot.press("n", "n")
        await screen.until(lambda: "then next · then next" in screen.text())
        screen.save(text + "# forever 2\n")
        await screen.until(lambda: screen.states()[-1] == text + "# forever 2\n")
        begun = time.monotonic()
        await screen.press("escape", shows="run: ended")
        assert time.monotonic() - begun < 2
        assert screen.held.step == 4
        screen.save(text)
        await screen.press("n", shows="next: 5. Many heads")

    hold(held, step=4)


def test_an_answer_does_not_wait_for_the_clock(hold: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Live, "tick", lambda _: None)

    async def held(screen: Screen) -> None:
        await screen.press("n", shows="next: 1. Softmax")
        await screen.press("R", shows=TEXT.strip())
        screen.save("x = (")
        await screen.until(lambda: "'(' was never closed" in screen.text())

    hold(held)


def test_what_is_typed_fast_after_a_goes_into_the_question(hold: Any) -> None:
    async def held(screen: Screen) -> None:
        for key in "anq":
            screen.app.post_message(Key(key, key))
        await screen.press(shows="question: nq")
        assert screen.held.step == 0

    hold(held)


def test_commands_that_wait_are_done_in_their_order(tmp_path: Path) -> None:
    commands = Commands(Held(WorkingFile.start("attention", tmp_path), Light()), lambda: None)
    gate, done = threading.Event(), []
    commands.submit("gate", lambda: gate.wait(10) and None)
    for n in range(3):
        commands.submit(str(n), lambda n=n: done.append(n))
    commands.start()
    gate.set()
    end = time.monotonic() + 10
    while commands.busy() and time.monotonic() < end:
        time.sleep(0.01)
    commands.stop()
    assert done == [0, 1, 2]


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_leaving_in_the_midst_of_a_run_loses_nothing(hold: Any, key: str) -> None:
    async def held(screen: Screen) -> None:
        text = screen.file() + "# forever\n"
        screen.save(text)
        await screen.pilot.press("R")
        await screen.until(lambda: screen.app.commands.pieces)
        await screen.pilot.press(key)
        await screen.until(lambda: not screen.app.is_running)
        assert screen.file() == text
        assert WorkingFile.open(screen.path.parent).history.present.text == text

    hold(held, step=1)


def test_rows_are_never_wider_than_the_screen(tmp_path: Path) -> None:
    held = Held(WorkingFile.start("attention", tmp_path), Light())
    held.goto(4)
    both = Answer(False, "no", ["    a line of code that is long: " + "x" * 90], ["a 日本 " * 20], ["a 日本 " * 9])
    for width in range(30, 130, 7):
        assert {cells(row) for row in head(held, "✗ line 12: " + "word " * 9, width)} == {width}
        assert max(map(cells, key_rows(width))) <= width
        assert " ".join(key_rows(width)).split() == " ".join(f"{key} {word}" for key, _, word, _ in KEYS).split()
        for name in ("run", "next", "time", "break"):
            assert max(map(cells, rows_of(name, both, width))) <= width


def begun(folder: Path) -> tuple[int, int]:
    """`minigpt lecture live attention FOLDER` on a terminal of 80 × 24: the process, and the terminal's other end."""
    import fcntl
    import pty
    import struct
    import termios

    process, terminal = pty.fork()
    if process == 0:
        words = [sys.executable, "-m", "minigpt", "lecture", "live", "attention", str(folder)]
        os.execve(sys.executable, words, {**os.environ, "TERM": "xterm-256color"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    return process, terminal


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no pty")
def test_on_a_terminal_ctrl_c_leaves_at_once_and_puts_it_back(tmp_path: Path) -> None:
    process, terminal = begun(tmp_path)
    seen = b""

    def until(what: bytes) -> None:
        nonlocal seen
        while what not in seen:
            seen += os.read(terminal, 1 << 16)

    until(b"step 0 of 5")
    os.write(terminal, b"n")
    until(b"1. Softmax")
    os.write(terminal, b"\x03")
    until(b"\x1b[?1049l")  # the screen that was there before
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    os.close(terminal)
    file = WorkingFile.open(tmp_path)
    assert file.path.read_text("utf-8") == file.lecture.text(1) == file.history.present.text
    assert b"38;2;" not in seen  # the terminal's own colours, whatever they are


def test_without_a_terminal_it_names_the_commands_that_need_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="minigpt lecture next, check, run"):
        live.run(Held(WorkingFile.start("attention", tmp_path), Light()))
