"""`minigpt bench`: its table, its file, going on after a break, comparing, the chart."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from minigpt.bench import report, results
from minigpt.bench.rows import Row, Task
from minigpt.cli import main
from minigpt.commands import bench
from minigpt.pictures.benchmark import Bar, benchmark_bars


def rows(*slower: str, seconds: float = 1.0) -> list[Row]:
    """Three rows of pretended contestants, of which ours are `seconds` as slow in those that are named."""
    found = []
    for name, peer, at_most in (("one-a", 2.0, False), ("one-b", 4.0, False), ("two-c", 0.5, True)):
        ours = Task("pretend:takes", {"seconds": seconds if name in slower else 1.0})
        found.append(Row(name, name, "a peer", 1.5, ours, Task("pretend:takes", {"seconds": peer}), at_most))
    return [*found, Row("two-d", "d", "a peer", 1.5, ours, ours, needs=("no-such-package",))]


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch) -> Any:
    from tests.bench.test_contest import Here

    def use(made: list[Row], commit: str = "abc") -> None:
        monkeypatch.setattr(bench, "table", lambda _: made)
        monkeypatch.setattr(bench, "Workers", lambda _: Here())
        monkeypatch.setattr(results, "commit", lambda: commit)

    use(rows())
    return use


def test_one_table_on_stdout_and_all_else_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--quick"]) == 0
    out, err = capsys.readouterr()
    machine, head, *lines = out.splitlines()
    assert machine.endswith("abc")
    assert " threads; minigpt " in machine
    assert head.split() == ["row", "ours", "against", "ratio", "95", "%", "target"]
    told = [line.split() for line in lines]
    assert [(line[0], line[-1]) for line in told[:3]] == [("one-a", "hit"), ("one-b", "hit"), ("two-c", "missed")]
    assert "4.00×" in told[1]
    assert lines[3].endswith("no-such-package is not installed: pip install 'minigpt[bench]'")
    assert "[2/4] one-b: 4.00× (4.00 to 4.00) ≥ 1.5 hit" in err


def test_the_file_holds_machine_versions_commit_and_every_pair(tmp_path: Path) -> None:
    file = tmp_path / "new" / "run.json"
    assert main(["bench", "one", "--pairs", "4", "--json", str(file)]) == 0
    run = json.loads(file.read_text())
    assert list(run) == ["format", "minigpt", "commit", "machine", "threads", "text", "versions", "rows"]
    assert {"cpu", "cores", "flags", "system"} <= set(run["machine"])
    assert os.uname().nodename not in file.read_text() or os.uname().nodename in run["machine"]["cpu"]
    assert {"python", "torch"} <= set(run["versions"])
    assert [record["row"] for record in run["rows"]] == ["one-a", "one-b"]
    assert run["rows"][0]["pairs"] == 4 * [[1.0, 2.0, 2.0, 1.0]]


def test_a_run_goes_on_where_it_was_broken_off(
    tmp_path: Path, pretended: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.json"
    main(["bench", "one-a", "--json", str(file)])
    pretended(rows("one-a", seconds=9.0))  # who measured it anew would see it
    assert main(["bench", "--quick", "--json", str(file)]) == 0
    assert "1 rows are kept" in capsys.readouterr().err
    records = {record["row"]: record for record in json.loads(file.read_text())["rows"]}
    assert list(records) == ["one-a", "one-b", "two-c", "two-d"]
    assert records["one-a"]["ratio"] == 2.0
    assert len(records["one-a"]["pairs"]) == 15
    assert "absent" in records["two-d"]
    pretended(rows(), commit="def")
    assert main(["bench", "--json", str(file)]) == 1
    assert 'has commit "abc", this run "def"' in capsys.readouterr().err


def test_against_says_what_became_slower_beyond_noise(
    tmp_path: Path, pretended: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = (str(tmp_path / name) for name in ("old.json", "new.json"))
    main(["bench", "--json", old])
    assert main(["bench", "--json", new, "--against", old]) == 0
    assert "nothing changed beyond noise" in capsys.readouterr().out
    pretended(rows("one-b", "two-c", seconds=1.25))
    assert main(["bench", "one-b", "two-c", "--against", old]) == 1
    told = capsys.readouterr().out
    assert "one-b: slower, 4.00× then, 3.20× now" in told
    assert "two-c: slower, 2.00× then, 2.50× now" in told
    assert "one-a: measured then, not now" in told
    assert "another machine" not in told
    run = json.loads(Path(old).read_text())
    Path(old).write_text(json.dumps({**run, "machine": {**run["machine"], "cpu": "another"}}))
    pretended(rows("one-b", seconds=0.5))
    assert main(["bench", "one-b", "--against", old]) == 0
    told = capsys.readouterr().out
    assert "one-b: faster" in told
    assert "that was another machine" in told


def test_noise_is_no_change() -> None:
    now, then = ({"row": "one-a", "ratio": ratio, "low": ratio - 0.2, "high": ratio + 0.2} for ratio in (1.9, 2.1))
    assert report.compare(rows(), [now], [then]) == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["decoed"], 2, "there is no row or group 'decoed'"),
        (["--pairs", "0"], 2, "must be a whole number, 1 or more, not 0"),
        (["--pairs", "2", "--quick"], 2, "not allowed with argument"),
        (["--against", "no.json"], 1, "no.json: No such file"),
        (["--text", "no.txt"], 1, "no.txt: No such file"),
        (["--json", __file__], 1, "is not a minigpt bench file"),
    ],
)
def test_wrong_use_is_one_line(words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    if code == 2:
        with pytest.raises(SystemExit):
            main(["bench", *words])
    else:
        assert main(["bench", *words]) == code
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_contestant_that_fails_makes_the_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    from minigpt.bench import contest

    monkeypatch.setattr(contest, "check_equal", lambda *_: (_ for _ in ()).throw(contest.UnequalError("unequal")))
    assert main(["bench", "one-a"]) == 1


def test_the_list_needs_no_torch_and_names_what_is_missing() -> None:
    code = "import sys; from minigpt.cli import main; main(['bench', 'decode', '--list'])\n"
    code += "assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "decode-float32-transformers" in done.stdout


def test_the_chart_shows_ratios_targets_and_the_machine(tmp_path: Path) -> None:
    bars = [Bar("decode", "a loop", 2.0, 1.9, 2.1, 1.7), Bar("train", "it", 0.9, 0.8, 1.0, 1.1, False)]
    svg = benchmark_bars(bars, "Speed", "a machine of mine").svg()
    assert "a machine of mine" in svg
    assert "2.00× of 1.7×: hit" in svg
    assert "0.90× of 1.1×: missed" in svg
    with pytest.raises(ValueError, match="nothing to draw"):
        benchmark_bars([], "Speed", "a machine")
    pytest.importorskip("matplotlib")
    assert main(["bench", "one", "--png", str(tmp_path / "chart.png")]) == 0
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_a_chart_that_cannot_be_drawn_is_refused_before_the_first_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda _: None)
    assert main(["bench", "--png", "chart.png"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == 'minigpt: --png needs matplotlib: pip install "minigpt[pictures]"\n'
