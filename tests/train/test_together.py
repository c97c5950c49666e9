"""Several processes that train one model: the same losses as one process, by DDP and FSDP2, also killed and resumed."""

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from minigpt.cli import main
from minigpt.train.checkpoint import resume
from minigpt.train.losses import read_log
from minigpt.train.trainer import Trainer

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "minigpt"]
PAIR = Path(__file__).with_name("pair.py")
TEXT = "The cat sat on the mat.\nThe dog sat on the log.\nA bird sang in the tree.\n" * 40
needs_gloo = pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without distributed")


def load_pair() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pair", PAIR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What two processes found, with their folder; they are given what torchrun gives its processes."""
    folder = tmp_path_factory.mktemp("pair")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, str(PAIR), str(folder)],
            env=os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    for process in started:
        _, error = process.communicate(timeout=240)
        assert process.returncode == 0, error
    return {"folder": folder, **json.loads((folder / "found.json").read_text("utf-8"))}


@pytest.fixture(scope="module")
def alone() -> tuple[Trainer, list[float], float]:
    """Six steps in this process."""
    pair = load_pair()
    trainer = Trainer(pair.tiny(), pair.SETTINGS)
    losses = pair.three_steps(trainer) + pair.three_steps(trainer)
    return trainer, losses, trainer.evaluate(pair.TEXTS).loss


@needs_gloo
@pytest.mark.parametrize("case", ["halves", "parts", "shards", "shards_in_parts"])
def test_two_processes_do_what_one_does(
    case: str, found: dict[str, Any], alone: tuple[Trainer, list[float], float]
) -> None:
    """With whole batches and in parts, by DDP and by FSDP2, saved after three steps and read again."""
    trainer, losses, validation = alone
    assert losses[0] - losses[-1] > 1e-3
    assert found[case]["losses"] == pytest.approx(losses, abs=1e-5)
    assert found[case]["validation"] == pytest.approx(validation, abs=1e-5)
    assert found[case]["same"] is True
    kept = resume(found["folder"] / case)[0]
    assert kept.step == 6
    for (name, ours), theirs in zip(trainer.model.named_parameters(), kept.model.parameters(), strict=True):
        assert (ours - theirs).abs().max() < 1e-5, name
    moments = [s["exp_avg_sq"] for t in (trainer, kept) for s in t.optimizer.state_dict()["state"].values()]
    half = len(moments) // 2
    assert all((a - b).abs().max() < 1e-6 for a, b in zip(moments[:half], moments[half:], strict=True))


@needs_gloo
def test_muon_does_the_same_in_two_processes(found: dict[str, Any], alone: tuple[Trainer, list[float], float]) -> None:
    pair = load_pair()
    trainer = Trainer(pair.tiny(), replace(pair.SETTINGS, optimizer="muon"))
    losses = pair.three_steps(trainer) + pair.three_steps(trainer)
    assert found["muon"]["losses"] == pytest.approx(losses, abs=1e-5)
    assert found["muon"]["same"] is True
    assert losses[1:] != pytest.approx(alone[1][1:], abs=1e-5)


@needs_gloo
def test_what_cannot_be_shared_is_refused_by_name(found: dict[str, Any]) -> None:
    assert found["odd"].startswith("a batch of 5 blocks (--batch-size) has no 2 equal shares for 2 processes")
    assert found["many"].startswith("accumulate (--accumulate) is 3, more than the 2 blocks of each of the 2 processes")
    assert re.match(r"the loss of step \d is (nan|inf): choose a smaller learning rate", found["wild"])
    mean, first = found["dropout"]
    assert abs(mean - first) > 1e-4  # each process drops others


def test_sharding_wants_several_processes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.txt").write_text(TEXT, "utf-8")
    assert main(["train", "--text", str(tmp_path / "my.txt"), "--out", str(tmp_path / "m"), "--shard"]) == 1
    assert "--shard spreads a model over processes: start torchrun" in capsys.readouterr().err


@needs_gloo
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds torchrun's processes in /proc")
def test_torchrun_killed_and_resumed_ends_as_one_process_does(tmp_path: Path) -> None:
    """Two processes are killed on their way, with no time to save; one alone goes on from their last evaluation."""
    (tmp_path / "my.txt").write_text(TEXT, "utf-8")
    flags = "--vocab-size 280 --n-layer 1 --n-head 2 --n-embd 16 --block-size 8 --batch-size 4 --dropout 0 --steps 40"
    words = ["train", "--text", str(tmp_path / "my.txt"), *flags.split(), "--evaluate-every", "5", "--device", "cpu"]
    words += ["--precision", "float32"]
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    with subprocess.Popen(
        [*TORCHRUN, *words, "--accumulate", "2", "--out", str(tmp_path / "cut")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        seen = next((line for line in process.stderr if re.search(r"step 1\d: loss", line)), "")
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in (process.pid, *map(int, workers)):
            os.kill(pid, signal.SIGKILL)
    assert seen
    assert len(workers) == 2
    assert 10 <= resume(tmp_path / "cut")[0].step < 40
    assert main([*words, "--accumulate", "1", "--resume", "--out", str(tmp_path / "cut")]) == 0
    whole, cut = read_log(tmp_path / "whole"), read_log(tmp_path / "cut")
    assert [entry["step"] for entry in cut] == [*range(1, 41)]
    for name in ("train", "validation"):
        ours, theirs = ([entry[name] for entry in log if name in entry] for log in (cut, whole))
        assert ours == pytest.approx(theirs, abs=1e-5)


@needs_gloo
@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_full_disk_ends_all_processes_and_the_last_state_stays(tmp_path: Path) -> None:
    """The first process cannot write its state; the other, which waits for its gradients, is not left waiting."""
    import resource

    (tmp_path / "my.txt").write_text(TEXT, "utf-8")
    flags = "--vocab-size 280 --n-layer 1 --n-head 2 --n-embd 16 --block-size 8 --batch-size 4 --steps 4 --device cpu"
    words = ["train", "--text", str(tmp_path / "my.txt"), *flags.split(), "--precision", "float32"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    limit = len(before["training.pt"]) // 2
    done = subprocess.run(
        [*TORCHRUN, "train", "--resume", "--out", str(tmp_path / "run"), "--steps", "9", "--evaluate-every", "2"],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("training.pt could not be written") == 1
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before
