"""The campaign in small, and a test of the campaign: planted bugs must be found.

`make test` judges 1,000 inputs, `make fuzz` 10,000 (or MINIGPT_FUZZ=N); MINIGPT_FUZZ_SEED draws others.
"""

import itertools
import os
import random
import sys

import pytest

from tests.fuzz import campaign as module
from tests.fuzz import originals
from tests.fuzz.campaign import campaign

pytest.importorskip("resource", reason="the limits on memory are those of Unix")
for other in ("safetensors", "gguf", "tokenizers", "tiktoken", "transformers"):
    pytest.importorskip(other, reason="the other readers come with the test extras")


def test_every_input_is_read_right_or_refused_in_one_line() -> None:
    n, seed = int(os.environ.get("MINIGPT_FUZZ", "1000")), os.environ.get("MINIGPT_FUZZ_SEED", "0")
    report = campaign(list(range(n)), seed)
    print(report.text(), file=sys.stderr)
    assert sum(report.counts.values()) == n
    assert report.counts["refused"] > n // 3
    assert report.counts["same"] + report.counts["valid"] > n // 50
    assert not report.wrong, report.text()


BUGS = """
import minigpt.train.checkpoint, tokenizer.formats.files, weights.companions
from tests.fuzz.worker import main

def swallowed(read):
    def lenient(path):
        try:
            return read(path)
        except ValueError:
            return {}
    return lenient

def wrong_type(read):
    def careless(data, name):
        try:
            return read(data, name)
        except ValueError:
            raise KeyError("model") from None
    return careless

def endless(*_):
    while True:
        pass

weights.companions.read_json = swallowed(weights.companions.read_json)
tokenizer.formats.files.from_json = wrong_type(tokenizer.formats.files.from_json)
minigpt.train.checkpoint.resume = endless
main()
"""


def numbers_of(file: str, n: int) -> list[int]:
    """The first n inputs that damage this file."""
    found = (i for i in itertools.count() if i % 4 != 3 and originals.draw(random.Random(f"0/{i}"))[1] == file)
    return list(itertools.islice(found, n))


def test_planted_bugs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that swallows damage, one that lets a KeyError out, and one that never ends."""
    monkeypatch.setattr(module, "PATIENCE", 12.0)
    files = {"generation_config.json": 8, "tokenizer.json": 8, "training.pt": 1}
    numbers = {file: numbers_of(file, n) for file, n in files.items()}
    report = campaign([number for some in numbers.values() for number in some], "0", BUGS)
    why = {file: [str(one["why"]) for one in report.wrong if one["number"] in some] for file, some in numbers.items()}
    assert any("valid ids" in line for line in why["generation_config.json"]), report.text()
    assert any("KeyError" in line for line in why["tokenizer.json"]), report.text()
    assert any("hung" in line for line in why["training.pt"]), report.text()
