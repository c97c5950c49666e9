"""What a type checker tells users: no Any, and the right type for one prompt, for several, for several sequences."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = """
import minigpt, tokenizer
lm = minigpt.load("storyteller")
reveal_type(lm)
reveal_type(lm.generate("a"))
reveal_type(lm.generate("a", max_new_tokens=3, temperature=0.5))
reveal_type(lm.generate(["a", "b"]))
reveal_type(lm.generate([1, 2], num_return_sequences=1))
reveal_type(lm.generate("a", num_return_sequences=3))
reveal_type(lm.generate(["a"], num_return_sequences=3))
reveal_type(lm.stream("a"))
reveal_type(lm.next_tokens("a"))
reveal_type(lm.score("a"))
reveal_type(lm.chat([{"role": "user", "content": "a"}]))
reveal_type(lm.tokenizer)
reveal_type(minigpt.generate(lm.model, [1, 2]))
reveal_type(minigpt.generate(lm.model, [[1], [2]]))
reveal_type(tokenizer.train("a", 300))
reveal_type(tokenizer.train("a", 300).encode("a"))
lm.generate("a", temprature=1)
lm.generate("a", context="forget")
minigpt.lod("storyteller")
"""
WRONG = ('lm.generate("a", temprature', 'lm.generate("a", context="forget"', "minigpt.lod")
EXPECTED = [
    "LanguageModel", "Completion", "Completion", "list[Completion]", "Completion", "Completion | list[Completion]",
    "list[Completion] | list[list[Completion]]", "Stream", "list[NextToken]", "Score", "Completion",
    "Tokenizer | None", "list[int]", "list[list[int]]", "Tokenizer", "list[int]",
]  # fmt: skip


@pytest.mark.slow
def test_types_for_users(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="the dev extra brings mypy")
    (tmp_path / "use.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", tmp_path / "use.py"]  # with the cache that `make lint` has left
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    revealed = [line.split('"')[1] for line in lines if "Revealed type is" in line]
    plain = [kind.replace("builtins.", "").replace("Union[", "").rstrip("?") for kind in revealed]
    short = ["".join(part.rsplit(".", 1)[-1] if "." in part else part for part in pieces(kind)) for kind in plain]
    assert short == EXPECTED, done.stdout
    wrong = [number for number, line in enumerate(PROGRAM.splitlines(), start=1) if line.startswith(WRONG)]
    assert sorted({int(line.split(":")[1]) for line in lines if ": error:" in line}) == wrong, done.stdout


def pieces(kind: str) -> list[str]:
    """A type's text cut before and after brackets, bars and commas."""
    return re.split(r"([\[\], |]+)", kind)
