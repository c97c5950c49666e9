"""The contestants at tiny sizes: all compute the same, and whoever does not is found out."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from minigpt.bench import judge, material, peaks
from minigpt.bench.contestants import fresh, loops, ours, probe, training
from minigpt.models.gpt2 import GPT2, GPT2Config
from tests import forked

N = 8


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("MINIGPT_CACHE", str(folder))
        yield folder


def test_the_checkpoint_is_made_once_and_no_part_of_it_is_idle(cache: Path) -> None:
    path = material.folder("tiny")
    assert cache in path.parents
    made = (path / "model.safetensors").stat().st_mtime_ns
    assert material.folder("tiny") == path
    assert (path / "model.safetensors").stat().st_mtime_ns == made
    model = loops.Model("tiny", "float32", "cpu")
    assert all(weight.std() > 0.01 for weight in model.w.values())
    size = GPT2(GPT2Config(**material.SIZES["tiny"]))
    assert material.n_parameters("tiny") == sum(weight.numel() for weight in size.parameters())
    assert probe.weights_bytes("124m", "float32") == 4 * (material.n_parameters("124m") - 1024 * 768)


def test_all_decoders_write_the_same_text() -> None:
    from minigpt.bench.contestants import hugging_face

    seconds, made = ours.generate("tiny", new=N)()
    assert seconds > 0
    ids = made["output"]
    assert len(set(ids)) > 1  # a text that repeats itself would hide mistakes
    assert "float32 on cpu" in made["notes"]
    assert "/" not in made["notes"]  # a run's file names no folder of the machine
    assert hugging_face.generate("tiny", new=N)()[1]["output"] == ids
    assert loops.cache_free("tiny", new=N)()[1]["output"] == ids
    assert forked.call(compiled_text) == ids
    both = [module.generate("tiny", new=N, batch=3)()[1]["output"] for module in (ours, hugging_face)]
    assert both == [ids, ids]  # the first row is that of a batch of one
    beams = [module.generate("tiny", new=N, whole=True, num_beams=3)()[1]["output"] for module in (ours, hugging_face)]
    assert beams[0] == beams[1]


def compiled_text() -> object:
    return loops.compiled("tiny", new=N, backend="eager")()[1]["output"]


def test_the_loops_model_gives_our_logits() -> None:
    """The judge's, too: a form of GELU or an epsilon that differs shows in no short text."""
    import minigpt

    model, ids = minigpt.load(material.folder("tiny"), device="cpu").model, torch.tensor(material.prompts("tiny", 20))
    with torch.no_grad():
        off = loops.Model("tiny", "float32", "cpu").logits(ids, torch.arange(20)) - model(ids)[:, -1]
    assert float(off.abs().max()) < 1e-5


def test_a_decoder_counts_the_tokens_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 24))
    once = ours.generate("tiny", new=N + 1, batch=3)
    monkeypatch.setattr(ours.time, "perf_counter", lambda: float(next(clock)))
    assert once()[0] == 24 / (3 * N)


def test_the_judge_finds_a_text_that_is_not_the_models() -> None:
    ids = ours.generate("tiny", new=N)()[1]["output"]
    assert judge.regret(ids, "tiny") == 0
    half = ours.generate("tiny", new=N, dtype="bfloat16")()[1]["output"]
    assert judge.regret(half, "tiny") < 0.1
    assert judge.regret([*ids[:-1], (ids[-1] + 1) % 101], "tiny") > 0.1
    for part in ("h.1.attn.c_attn.bias", "h.0.mlp.c_proj.bias", "ln_f.bias", "wpe.weight"):
        wrong = loops.Model("tiny", "float32", "cpu")
        wrong.w[part] = torch.zeros_like(wrong.w[part])
        found, before = [], material.prompts("tiny", 8)[0]
        for _ in range(24):
            read = torch.tensor([[*before, *found]])
            found.append(int(wrong.logits(read, torch.arange(read.shape[1])).argmax()))
        assert judge.regret(found, "tiny") > 0.1, part


def test_a_gguf_file_holds_the_same_weights() -> None:
    pytest.importorskip("gguf")
    import minigpt
    from minigpt.bench.gguf_file import gguf_file

    ids = ours.generate("tiny", new=N)()[1]["output"]
    prompt = material.prompts("tiny", 8)[0]
    model = minigpt.load(gguf_file("tiny", "F32"), device="cpu").model
    assert minigpt.generate(model, prompt, max_new_tokens=N) == ids
    other = minigpt.load(gguf_file("tiny", "Q8_0"), device="cpu").model
    with torch.no_grad():
        off = (other(torch.tensor([prompt])) - model(torch.tensor([prompt]))).abs().max()
    assert 0 < float(off) < 0.5


def test_all_trainers_take_the_same_steps() -> None:
    _, made = training.step("ours", "tiny")()
    assert made["output"][1] < made["output"][0]
    for who in ("loop", "nanogpt"):
        assert training.step(who, "tiny")()[1]["output"] == pytest.approx(made["output"], rel=1e-4), who
    pytest.importorskip("accelerate")
    assert training.step("trainer", "tiny")()[1]["output"] == pytest.approx(made["output"], rel=1e-4)


def test_processes_from_their_start() -> None:
    assert 0 < fresh.bare()()[0] < fresh.command(["--version"])()[0] * 10
    with pytest.raises(ValueError, match="there is no command 'fly'"):
        fresh.command(["fly"])()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks of memory are read from Linux's /proc")
def test_a_peak_of_memory_counts_what_was_there_for_a_moment() -> None:
    held = bytearray(b"x") * 900_000_000
    del held  # a peak of before, which does not count
    peaks.start()
    held = bytearray(b"x") * 600_000_000  # much more than a system may take back meanwhile of files that are mapped
    del held
    assert 450e6 < peaks.resident("VmHWM") - peaks.BEFORE[-1] < 700e6
    assert peaks.resident("VmRSS") - peaks.BEFORE[-1] < 30e6


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks of memory are read from Linux's /proc")
def test_a_peak_counts_no_import() -> None:
    bytes_, made = fresh.load("tiny", "float32")()  # in a process of its own
    assert made == {"output": 2}
    assert bytes_ < 30e6  # torch alone would be 150 MB


def test_peaks_are_of_the_tasks_that_the_table_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(words: list[str]) -> tuple[float, str]:
        return 0.0, json.dumps({"bytes": 1, "output": peaks.TASKS[words[2]](*words[3:])})

    monkeypatch.setattr(fresh, "started", here)
    assert len(fresh.two_tokens("tiny", 2, 8)()[1]["output"]) == 2
    assert fresh.load("tiny", "float16")() == (1, {"output": 2})  # layers
    first = [fresh.training(who, "tiny", "float32")()[1]["output"] for who in ("ours", "loop")]
    assert first[0] == pytest.approx(first[1], rel=1e-4)
