"""dtype="auto": the fastest dtype that writes the same text is taken, remembered, and said to be why."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import minigpt
from minigpt.cli import main
from minigpt.fast import compared, dtypes, remembered
from minigpt.language_model import LanguageModel
from minigpt.playground.mine import on_cpu
from minigpt.playground.same import same_text
from weights import load_checkpoint

CPU = torch.device("cpu")


@pytest.fixture
def folder(random_checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint that counts as large enough, and a cache of its own."""
    monkeypatch.setenv("MINIGPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(dtypes, "SMALL", 0)
    compared.say_once.cache_clear()
    return Path(shutil.copytree(random_checkpoint("gpt2"), tmp_path / "model"))


@pytest.fixture
def plan_times(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """`plan_times(float16=(0.01, "same"), …)`: seconds a token, and "same", "other" or "fails"; a list of what is
    measured. The text is the model's own otherwise."""

    def plan(**planned: tuple[float, str]) -> list[str]:
        asked: list[str] = []
        text: list[int] = []

        def write(model: Any, *_: object) -> tuple[float, list[int]]:
            asked.append(name := str(next(model.parameters()).dtype).removeprefix("torch."))
            seconds, what = planned[name]
            if what == "fails":
                raise RuntimeError("not implemented for 'Half'")
            text[:] = text or [*range(dtypes.N_TOKENS)]
            return seconds, [*text[:-1], 99] if what == "other" else [*text]

        monkeypatch.setattr(dtypes, "write", write)
        monkeypatch.setattr(dtypes, "OTHERS", {"cpu": ("float16", "bfloat16")})
        return asked

    return plan


def test_the_fastest_with_the_same_text_is_taken_and_remembered(folder: Path, plan_times: Any, capsys: Any) -> None:
    asked = plan_times(float32=(0.02, "same"), float16=(0.01, "same"), bfloat16=(0.004, "other"))
    lm = minigpt.load(folder, device="cpu", dtype="auto")
    assert next(lm.model.parameters()).dtype == torch.float16
    assert lm.report is not None
    told = "float16: 100 tokens/s here with the same greedy text; float32, the own, 50; bfloat16 250 with another text"
    assert lm.report.chosen == told
    assert asked == ["float32", "float16", "bfloat16"]
    assert capsys.readouterr().err.count("measuring in which dtype") == 1

    asked.clear()
    again = minigpt.load(folder, device="cpu", dtype="auto")
    assert again.report is not None
    assert (again.report.dtype, again.report.chosen, asked) == ("float16", told, [])
    assert minigpt.load(folder, device="cpu").report.dtype == "float32"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("float16", "bfloat16"),
    [((0.019, "same"), (0.03, "same")), ((0.001, "other"), (0.001, "fails"))],
    ids=["hardly faster", "other text, and none"],
)
def test_the_own_dtype_stays_where_no_other_is_better(
    folder: Path, plan_times: Any, float16: tuple[float, str], bfloat16: tuple[float, str]
) -> None:
    plan_times(float32=(0.02, "same"), float16=float16, bfloat16=bfloat16)
    lm = minigpt.load(folder, device="cpu", dtype="auto")
    assert next(lm.model.parameters()).dtype == torch.float32
    assert lm.report is not None
    assert lm.report.chosen.startswith("float32: 50 tokens/s here;")
    assert ("bfloat16 does not run" in lm.report.chosen) == (bfloat16[1] == "fails")


@pytest.mark.parametrize("plain", [False, True])
def test_nothing_is_measured_for_a_small_model_or_the_plain_form(
    folder: Path, plan_times: Any, monkeypatch: pytest.MonkeyPatch, plain: bool, capsys: Any
) -> None:
    asked = plan_times()
    if not plain:
        monkeypatch.setattr(dtypes, "SMALL", remembered.size(folder) + 1)
    lm = minigpt.load(folder, device="cpu", dtype="auto", plain=plain)
    assert lm.report is not None
    assert lm.report.chosen.startswith("float32: the checkpoint's own, not measured, as ")
    assert ("plain asks for it" in lm.report.chosen) == plain
    assert (asked, capsys.readouterr().err) == ([], "")


def test_what_was_measured_counts_for_these_weights_and_this_machine(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = remembered.place(folder, CPU)
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    assert remembered.place(other, CPU) == here
    data = bytearray((other / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (other / "model.safetensors").write_bytes(data)
    places = {here, remembered.place(other, CPU)}
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "99.0")
        places.add(remembered.place(folder, CPU))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: 64)
        places.add(remembered.place(folder, CPU))
    with monkeypatch.context() as patch:
        patch.setattr(remembered, "machine", lambda _: "another")
        places.add(remembered.place(folder, CPU))
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    assert len(places | {remembered.place(folder, CPU)}) == 6


@pytest.mark.parametrize("damage", ["", "[1]", '{"own": "float32", "found": {}}', '{"own": "float32", "found": 3}'])
def test_a_damaged_note_is_made_anew(folder: Path, plan_times: Any, damage: str) -> None:
    asked = plan_times(float32=(0.02, "same"), float16=(0.01, "same"), bfloat16=(0.03, "same"))
    note = remembered.place(folder, CPU)
    note.parent.mkdir(parents=True)
    note.write_text(damage)
    assert minigpt.load(folder, device="cpu", dtype="auto").report.dtype == "float16"  # type: ignore[union-attr]
    assert len(asked) == 3


def test_a_cache_that_cannot_be_written_costs_a_line(folder: Path, plan_times: Any, capsys: Any) -> None:
    plan_times(float32=(0.02, "same"), float16=(0.01, "same"), bfloat16=(0.03, "same"))
    remembered.place(folder, CPU).parent.parent.write_text("a file in the folder's place")
    assert minigpt.load(folder, device="cpu", dtype="auto").report.dtype == "float16"  # type: ignore[union-attr]
    assert "cannot be remembered" in capsys.readouterr().err


def test_a_slow_dtype_is_given_up(folder: Path) -> None:
    model = load_checkpoint(folder, "cpu").model
    seconds, text = dtypes.write(model, [1, 2, 3])
    assert 0 < seconds < 10
    n = 48 - 3  # the model's context ends the text
    assert text == minigpt.generate(model, [1, 2, 3], max_new_tokens=n, temperature=0)
    assert dtypes.write(model, [1, 2, 3], slowest=1e-9)[1] == text[:5]


def test_the_command_says_which_and_why_and_what_is_slower(folder: Path, plan_times: Any, capsys: Any) -> None:
    asked = plan_times(float32=(0.02, "same"), float16=(0.08, "same"), bfloat16=(0.01, "same"))
    words = ["generate", "--device", "cpu", "-n", "0", "-m", str(folder), "--prompts"]
    prompts = folder / "prompts"
    prompts.write_text("x")

    def said(*more: str) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LanguageModel, "generate", lambda *_, **__: [])
            patch.setattr("minigpt.commands.generate.all_at_once", lambda *_: [])
            prompts.write_text("x\ny")
            assert main([*words, str(prompts), *more]) == 0
        return str(capsys.readouterr().err)

    slow = "--dtype float16: 12.5 tokens/s on this machine, float32 50 with the same greedy text\n"
    assert said("--dtype", "float16") == slow
    assert asked == ["float32", "float16"]
    assert said("--dtype", "float16") == slow
    assert len(asked) == 2  # remembered
    assert said("--dtype", "float32") == ""  # nothing that is known to be faster
    assert "\ndtype bfloat16: 100 tokens/s here with the same greedy text; " in said("-v")
    assert asked[2:] == ["float32", "bfloat16"]  # what was not yet known, beside the own
    assert "bfloat16 100 and float32 50" in said("--dtype", "float16")
    assert said("--dtype", "float32").startswith("--dtype float32: 50 tokens/s on this machine, bfloat16 100 ")
    assert said("--dtype", "float16", "--plain") == ""


def test_a_large_model_is_not_loaded_again_to_compare(folder: Path, plan_times: Any) -> None:
    asked = plan_times()
    assert dtypes.faster_than(folder, folder, CPU, "float16", dtypes.LARGE + 1) == ""
    assert asked == []


@pytest.mark.parametrize("dtype", ["auto", "int8"])
def test_the_loader_itself_measures_and_rounds_nothing(folder: Path, dtype: str) -> None:
    with pytest.raises(ValueError, match=f"no dtype '{dtype}' here; choose float32, .*minigpt.load has auto and int8"):
        load_checkpoint(folder, "cpu", dtype)


def test_the_page_names_a_dtype_that_is_not_the_files(folder: Path) -> None:
    own, half = (minigpt.load(folder, device="cpu", dtype=dtype) for dtype in (None, "bfloat16"))
    assert ", dtype=" not in same_text(own, "x", {})["python"]
    told = same_text(half, "x", {})
    assert f"minigpt.load({str(folder)!r}, dtype='bfloat16').generate" in told["python"]
    assert told["command"] == f"minigpt generate -m {folder} --dtype bfloat16 -- x"
    parts = on_cpu(half).model  # for a learner's parts: what the files hold, not what bfloat16 left of it
    for one, other in zip(own.model.parameters(), parts.parameters(), strict=True):
        assert torch.equal(one, other)


def test_int8(folder: Path) -> None:
    pytest.importorskip("minigpt.fast.int8")
    lm = minigpt.load(folder, device="cpu", dtype="int8")
    assert lm.report is not None
    assert lm.report.dtype == "int8"
    assert lm.report.n_bytes < 2 * lm.report.n_parameters
    assert len(lm.generate([1, 2], max_new_tokens=5).ids) == 5
