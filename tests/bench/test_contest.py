"""How two are timed: what is refused, in which order they run, what makes a row hit or missed."""

import importlib
import math
from pathlib import Path
from typing import Any

import pytest

from minigpt.bench import contest, report
from minigpt.bench.ratios import Interval, holds, interval, ratios
from minigpt.bench.rows import Row, Task, choose
from minigpt.bench.table import table
from minigpt.bench.workers import Run, Workers, environment


class Here(Workers):
    """The contestants in this process."""

    def __init__(self) -> None:
        self.alive = {}

    def ready(self, _: str, task: Task) -> Run:
        made: Run = getattr(importlib.import_module("tests.bench.pretend"), task.maker.split(":")[1])(**task.options)
        return made


def takes(seconds: float, **options: Any) -> Task:
    return Task("pretend:takes", {"seconds": seconds, **options})


def row(ours: Task, peer: Task, target: float | None = 1.5, **options: Any) -> Row:
    return Row("x-y", "what", "a peer", target, ours, peer, **options)


def measured(given: Row, pairs: int = 15) -> dict[str, Any]:
    with Here() as workers:
        return contest.measure(given, workers, pairs, lambda *_: None)


def test_a_ratio_is_the_peers_time_over_ours_and_drift_cancels() -> None:
    assert ratios([(1.0, 2.0, 2.0, 1.0), (1.0, 2.5, 3.5, 2.0)]) == [2.0, 2.0]
    assert ratios([(1.0, 2.0, 2.0, 1.0)], at_most=True) == [0.5]
    linear = [(1.0 + t, 2 * (1.1 + t), 2 * (1.2 + t), 1.3 + t) for t in range(5)]
    assert all(math.isclose(ratio, 2.0) for ratio in ratios(linear))


def test_the_interval_is_that_of_the_median() -> None:
    values = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 1.2, 0.8, 1.01, 0.99, 1.03, 0.97, 1.0, 9.0]
    found = interval(values)
    assert found.middle == 1.0  # one wild value does not move it
    assert 0.95 <= found.low < 1.0 < found.high <= 1.05
    assert found == interval(values)
    wide = interval([1 + 5 * (value - 1) for value in values])
    assert wide.high - wide.low > 4 * (found.high - found.low)


def test_a_target_holds_only_where_the_whole_interval_clears_it() -> None:
    found = Interval(1.8, 1.6, 2.0)
    assert [holds(found, target) for target in (1.6, 1.7, 1.8)] == [True, False, False]
    assert [holds(found, target, at_most=True) for target in (1.8, 1.9, 2.0)] == [False, False, True]


def test_two_runs_to_warm_up_then_pairs_in_the_order_a_b_b_a(tmp_path: Path) -> None:
    log = tmp_path / "log"
    found = measured(row(takes(1.0, log=str(log), name="a"), takes(2.0, log=str(log), name="b")), pairs=3)
    assert log.read_text() == "abab" + 3 * "abba"
    assert found["pairs"] == 3 * [(1.0, 2.0, 2.0, 1.0)]
    assert found["ratio"] == 2.0
    assert found["notes"] == {"ours": "a", "peer": "b"}


def test_a_slow_peer_makes_a_miss_a_hit() -> None:
    level, slow = row(takes(1.0), takes(1.0)), row(takes(1.0), takes(1.6))
    assert [report.verdict(given, measured(given)) for given in (level, slow)] == ["missed", "hit"]
    much, little = (row(takes(seconds), takes(1.0), 3.0, at_most=True) for seconds in (3.5, 2.5))
    assert [report.verdict(given, measured(given)) for given in (much, little)] == ["missed", "hit"]
    assert report.verdict(row(takes(1.0), takes(1.6), target=None), measured(slow)) == ""


@pytest.mark.parametrize(
    ("equal", "ours", "peer", "fine"),
    [
        ("same", [1, 2], [1, 2], True),
        ("same", [1, 2], [1, 3], False),
        ("prefix", [1, 2, 3], [1], True),
        ("prefix", [2, 2, 3], [1], False),
        ("near", [1.0, 2.0], [1.001, 2.0], True),
        ("near", [1.0, 2.0], [1.1, 2.0], False),
        ("near", [1.0, 2.0], [1.0], False),
        ("near", [math.nan], [math.nan], False),
        ("none", [1], None, True),
    ],
)
def test_unequal_outputs_are_refused_and_nothing_is_timed(equal: str, ours: Any, peer: Any, fine: bool) -> None:
    found = measured(row(takes(1.0, output=ours), takes(1.0, output=peer), equal=equal), pairs=2)
    assert ("ratio" in found) is fine
    assert fine or found["failed"].startswith("unequal outputs: ours [")


def test_who_cannot_take_part_is_named_with_the_way_out() -> None:
    found = measured(row(takes(1.0), takes(1.0), needs=("torch", "no-such-package")))
    assert found == {"row": "x-y", "absent": "no-such-package is not installed: pip install 'minigpt[bench]'"}
    assert "no NVIDIA GPU" in measured(row(takes(1.0), takes(1.0), cuda=True)).get("absent", "no NVIDIA GPU")


def test_in_processes_of_their_own(capfd: pytest.CaptureFixture[str]) -> None:
    with Workers(1, home="tests.bench") as workers:

        def outcome(peer: str) -> Any:
            found = contest.measure(row(takes(1.0), Task(f"pretend:{peer}"), equal="none"), workers, 1, lambda *_: None)
            return found.get("failed", found.get("ratio"))

        assert outcome("cannot") == "ValueError: no such thing"
        assert outcome("needs_what_is_not_there") == "no_such_package is not installed"
        first = workers.alive["ours"].process.pid
        assert outcome("dies") == "its process ended with code 3"
        assert outcome("prints") == 1.0
        assert workers.alive["ours"].process.pid == first != workers.alive["peer"].process.pid
        alive = list(workers.alive.values())
    assert not any(worker.process.is_alive() for worker in alive)
    assert "chatter" not in capfd.readouterr().out


def test_equal_threads_no_network_and_the_callers_environment_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("RAYON_NUM_THREADS", raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    before = dict(os.environ)
    with environment(2):
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        assert [os.environ[name] for name in names] == ["2", "2", "2"]
        assert os.environ["RAYON_NUM_THREADS"] == "1"
        assert "PYTHONDONTWRITEBYTECODE" not in os.environ  # without .pyc files every start seems slower
    assert dict(os.environ) == before


def test_rows_are_chosen_by_name_or_group() -> None:
    rows = table()
    assert len({given.name for given in rows}) == len(rows)
    assert choose(rows, []) == rows
    assert {given.group for given in choose(rows, ["tokens", "start"])} == {"tokens", "start"}
    assert [given.name for given in choose(rows, ["memory-cache"])] == ["memory-cache"]
    with pytest.raises(ValueError, match=r"no row or group 'decod'.*did you mean 'decode'"):
        choose(rows, ["decod"])


def test_the_table_holds_every_target() -> None:
    """Those that the design asks for, by the names of the rows."""
    goals = {given.name: (given.target, given.at_most) for given in table()}
    wanted = {
        "decode-float32-bandwidth": 0.85,
        "decode-float32-transformers": 1.7,
        "decode-float32-llama.cpp": 1.0,
        "decode-float16-llama.cpp": 1.0,
        "decode-int8-llama.cpp": 0.95,
        "decode-auto-transformers": 4,
        "long-768-nanogpt": 50,
        "story-float32-transformers": 2,
        "batch-8-float32-one": 4,
        "batch-8-transformers": 1.3,
        "batch-32-transformers": 1.3,
        "prefill-256-transformers": 2,
        "prefill-1000-transformers": 2,
        "sampling-top-p-124m": 0.97,
        "sampling-temperature-124m": 0.97,
        "beam-4-transformers": 1.5,
        "train-storyteller-float32-loop": 1.1,
        "train-30m-bfloat16-loop": 1.3,
        "train-storyteller-trainer": 1.5,
        "gpu-124m-transformers": 15,
        "gpu-xl-transformers": 4,
        "gpu-124m-compiled": 1.2,
        "gpu-xl-compiled": 1.1,
        "gpu-124m-bound": 0.25,
        "gpu-xl-bound": 0.5,
        "tokens-warm-tiktoken": 1.2,
        "tokens-warm-tokenizers": 14,
        "tokens-cold-tiktoken": 0.6,
        "tokens-train-tokenizers": 1.5,
        "start-first-token": 3,
    }
    at_most = {"start-help": 3, "start-tokens": 6, "start-tokens-gpt2": 12, "memory-load-float32": 1.03}
    at_most |= {"memory-load-float16": 1.03, "memory-train-30m-float32": 1}
    assert {name: goals[name] for name in wanted} == {name: (target, False) for name, target in wanted.items()}
    assert {name: goals[name] for name in at_most} == {name: (target, True) for name, target in at_most.items()}
