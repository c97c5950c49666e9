"""`minigpt chat`, driven as a program through its standard input, and line by line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import minigpt
from minigpt.commands import chat
from minigpt.commands.chat import Session, parsed

COMMAND = [sys.executable, "-m", "minigpt", "chat", "-m"]


def talk(folder: Path, typed: str, *flags: str) -> "subprocess.CompletedProcess[str]":
    """What the program says to what is typed, in UTF-8 whatever the system's own encoding."""
    env = os.environ | {"PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}
    command = [*COMMAND, str(folder), *flags]
    return subprocess.run(
        command, input=typed, capture_output=True, encoding="utf-8", env=env, timeout=120, check=False
    )


def test_a_whole_conversation(chat_folder: Path, tmp_path: Path) -> None:
    saved = tmp_path / "talk.json"
    typed = [
        "Hello there",
        "",
        "/set temperature 0.7",
        "/set temperature -1",
        "/set temprature 1",
        "/set num_return_sequences 2",
        "/set stop 5",
        "/system Be kind",
        '"""two',
        'lines, "quoted" """',
        f"/save {saved}",
        f"/save {tmp_path}/no/such/folder",
        "/save",
        "/clear",
        "/dance",
        "/?",
        "/bye",
        "never read",
    ]
    done = talk(chat_folder, "\n".join(typed), "-n", "8", "--seed", "3", "--system", "Be brief.")
    assert done.returncode == 0, done.stderr
    record = json.loads(saved.read_text(encoding="utf-8"))
    assert [m["role"] for m in record["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert [m["content"] for m in record["messages"]][:2] == ["Be kind", "Hello there"]
    assert record["messages"][3]["content"] == 'two\nlines, "quoted" '
    assert record["settings"] == {"max_new_tokens": 8, "seed": 3, "temperature": 0.7}
    said = [m["content"] for m in record["messages"] if m["role"] == "assistant"]
    assert done.stdout == "".join(text + "\n" for text in said)
    lm = minigpt.load(str(chat_folder))
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello there"}]
    assert said[0] == lm.chat(asked, max_new_tokens=8, seed=3).text
    for note in (
        "256 tokens of context; /? for help, /bye to leave",
        "cut off after 8 tokens (length)",
        "settings: max_new_tokens 8, seed 3, temperature 0.7",
        "temperature must be a finite number from 0 (greedy) up, not -1",
        "unknown setting 'temprature': did you mean 'temperature'?",
        "num_return_sequences must be 1 here: an answer is one text that grows as you read",
        "stop must be a text or several, not 5",
        "no/such/folder",
        "/save needs a file's name, such as /save talk.json",
        "forgotten",
        "/dance is no command; /? lists them",
        "/set NAME VALUE",
    ):
        assert note in done.stderr, note
    assert "Traceback" not in done.stderr
    assert ">>>" not in done.stdout + done.stderr  # no prompts where nobody types


def test_the_end_of_input_leaves_and_a_full_context_is_said(chat_folder: Path) -> None:
    done = talk(chat_folder, "Hello there, how are you? " * 3 + "\n" + "What is two and two?\n" * 9, "-n", "20")
    assert done.returncode == 0, done.stderr
    assert "the context is full: the oldest turn is forgotten" in done.stderr
    assert done.stderr.count("Traceback") == 0


def test_one_line_for_what_is_wrong(chat_folder: Path, tmp_path: Path) -> None:
    done = talk(tmp_path / "nothing", "")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    done = talk(chat_folder, "", "--temperature", "-1")
    assert done.returncode == 2
    assert "--temperature must be a finite number from 0 (greedy) up, not -1.0" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="sends the signal that Ctrl-C sends on POSIX")
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_the_answer_and_not_the_program(chat_folder: Path, tmp_path: Path) -> None:
    big = json.loads((chat_folder / "config.json").read_text()) | {"max_position_embeddings": 100_000}
    for file in chat_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(big))
    (tmp_path / "generation_config.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages[0].content }}"}))
    command = [*COMMAND, str(tmp_path), "-n", "50000", "-t", "0.9", "--seed", "1"]  # one that does not end by itself
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, encoding="utf-8", errors="replace", **pipes) as program:
        assert program.stdin
        assert program.stdout
        program.stdin.write("Hello\n")
        program.stdin.flush()
        assert program.stdout.read(40)  # it has begun to answer
        program.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert program.poll() is None
        _, errors = program.communicate("/bye\n", timeout=60)
        assert program.returncode == 0, errors
    assert "stopped" in errors
    assert "Traceback" not in errors


def test_settings_are_read_as_numbers_where_they_are() -> None:
    assert [parsed(text) for text in ("0.7", "40", "null", "stop")] == [0.7, 40, None, "stop"]


def test_an_answer_stopped_before_its_first_word_is_forgotten(
    chat_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(minigpt.load(str(chat_folder)), {"max_new_tokens": 4})

    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(session.lm, "stream", interrupt)
    assert session.handle("Hello there")
    assert session.messages == []
    assert "stopped" in capsys.readouterr().err
    monkeypatch.undo()
    session.handle("Hello")
    session.handle("/system")
    session.handle("/system Be kind")
    assert [m["role"] for m in session.messages] == ["system", "user", "assistant"]
    session.handle("/set max_new_tokens")
    assert session.settings == {}
    assert not session.handle("/bye")


def test_lines_between_quotes_are_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_all(typed: str) -> list[str]:
        lines = iter(typed.split("\n"))
        monkeypatch.setattr(chat, "read_line", lambda _: next(lines, None))
        return list(iter(chat.read, None))

    assert read_all('a\n"""b\nc"""\nd') == ["a", "b\nc", "d"]
    assert read_all('"""one"""\n"""\ntwo\n\n"""') == ["one", "two\n"]
    assert read_all('"""open\nto the end') == ["open\nto the end"]
    assert read_all('say "hi"\n\n  """x"""') == ['say "hi"', "", "x"]


def test_the_keyboard_interrupt_at_the_prompt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([KeyboardInterrupt, "hello", EOFError])

    def typed(_: str) -> str:
        answer = next(answers)
        if isinstance(answer, str):
            return answer
        raise answer

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", typed)
    assert [chat.read(), chat.read()] == ["hello", None]
    assert "/bye leaves" in capsys.readouterr().err
