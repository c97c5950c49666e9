"""No write loses a model: killed anywhere, or on a full disk, the old one or the new one loads, whole and unmixed.

MINIGPT_KILLS says how many random kills each kind of write gets; `make test` gives 25.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import tokenizer
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.train.checkpoint import load_run
from tokenizer import Tokenizer
from tokenizer.fetch import atomic
from tokenizer.fetch.atomic import COMMITTED, STAGED, exclusive, replacing_files
from weights import load_checkpoint, save_checkpoint

KILLS = int(os.environ.get("MINIGPT_KILLS", "25"))
ROOT = Path(__file__).parents[2]
WORDS = "the cat sat on the mat, the dog ate the rat; hello world"
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes to kill them")
Writer = Callable[..., Any]


def make(folder: Path, seed: int, text: str, **named: Any) -> Path:
    """A model folder whose weights, vocabulary and defaults all tell the seed."""
    torch.manual_seed(seed)
    tok = tokenizer.train(text, 280)
    model = GPT2(GPT2Config(vocab_size=tok.n_vocab, n_ctx=8, n_layer=1, n_head=2, n_embd=8))
    save_checkpoint(model, folder, tok, generation_config={"temperature": 0.5 + seed}, **named)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models; the old one has files that the new one has not."""
    home = tmp_path_factory.mktemp("models")
    old = make(home / "old", 1, "old words, older words, " + WORDS, shard_bytes=4000, chat_template="{{ messages }}")
    return {"old": old, "new": make(home / "new", 2, "new text, a newer text, " + WORDS)}


@pytest.fixture(scope="module")
def writer(models: dict[str, Path]) -> Iterator[Writer]:
    """`writer(what, folder, how, step)`: writes the new model in a process of its own; its exit code, or, where it
    loops, the function that kills it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    program = [sys.executable, str(Path(__file__).with_name("writer.py")), *map(str, models.values())]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        orders, answers = process.stdin, process.stdout

        def write(what: str, folder: Path, how: str, step: int = 0) -> Any:
            order = {"what": what, "folder": str(folder), "source": "new", "how": how, "step": step}
            print(json.dumps(order), file=orders, flush=True)
            child = int(answers.readline())
            if how != "loop":
                return int(answers.readline())

            def kill() -> int:
                os.kill(child, signal.SIGKILL)
                return int(answers.readline())

            return kill

        yield write
        orders.close()


def told(folder: Path) -> tuple[str, tuple[int, ...], object]:
    """What tells a model: its numbers, its ids of a text, its default settings."""
    loaded = load_checkpoint(folder, "cpu")
    numbers = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in loaded.model.parameters())).hexdigest()
    assert loaded.tokenizer is not None
    return numbers, tuple(loaded.tokenizer.encode(WORDS)), loaded.generation_config.get("temperature")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def fresh(old: Path, folder: Path) -> Path:
    """A copy of the old model, with a file of the user's."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(old, folder)
    (folder / "notes.txt").write_text("mine")
    return folder


@posix
@pytest.mark.parametrize("how", ["exit", "error"], ids=["killed", "disk full"])
def test_at_every_step_the_old_or_the_new_model_loads(
    how: str, writer: Writer, models: dict[str, Path], tmp_path: Path
) -> None:
    """And what is left over goes with the next write; what is not ours stays."""
    old, new = told(models["old"]), told(models["new"])
    found = []
    for step in range(1, 400, 1 if how == "exit" or KILLS >= 500 else 3):
        folder = fresh(models["old"], tmp_path / "model")
        code = writer("model", folder, how, step)
        assert code in (0, *((9,) if how == "exit" else (1, 3))), (step, code)
        found.append(told(folder))
        assert found[-1] in ((old, new) if code > 1 else (new,)), step
        if how == "error":  # who lives cleans up
            there = models["old"] if found[-1] == old else models["new"]
            assert names(folder) - {".minigpt.lock"} == names(there) | {"notes.txt"}, step
        assert (folder / "notes.txt").read_text() == "mine"
        if step % 7 == 0:
            make(folder, 2, WORDS)
            assert names(folder) == names(models["new"]) | {"notes.txt"}, step
        if code == 0:
            break
    assert code == 0  # the last one got to the end
    print(f"{step - 1} steps")
    assert min(map(found.count, (old, new))) > 3
    if how == "exit":  # the new one counts from one step on, and never before
        assert set(found[found.index(new) :]) == {new}


@posix
def test_at_every_step_the_old_or_the_new_vocabulary_loads(
    writer: Writer, models: dict[str, Path], tmp_path: Path
) -> None:
    both = [Tokenizer.load(models[name]).encode(WORDS) for name in ("old", "new")]
    assert both[0] != both[1]
    for step in range(1, 200):
        folder = tmp_path / str(step)
        Tokenizer.load(models["old"]).save(folder)
        code = writer("vocabulary", folder, "exit", step)
        files = [Tokenizer.load(folder), Tokenizer.load(folder / "tokenizer.json")]
        (folder / "tokenizer.json").unlink()
        ids = [tok.encode(WORDS) for tok in (*files, Tokenizer.load(folder))]
        assert ids[0] in both, step
        assert ids[0] == ids[1] == ids[2], step  # vocab.json with merges.txt says the same as tokenizer.json
        if code == 0:
            break
    assert code == 0
    assert step > 10


@posix
def test_a_run_killed_at_any_step_goes_on_to_the_same_end(
    writer: Writer, models: dict[str, Path], tmp_path: Path
) -> None:
    """Over an old model, which stays until the first one of the run is whole."""
    whole = fresh(models["old"], tmp_path / "whole")
    assert writer("train", whole, "exit", 0) == 0
    old, end, n_killed = told(models["old"]), told(whole), 0
    for step in range(5, 10_000, 31 if KILLS < 500 else 1):
        folder = fresh(models["old"], tmp_path / "cut")
        code = writer("train", folder, "exit", step)
        n_killed += code == 9
        loaded = told(folder)
        if not (folder / "training.pt").exists():
            assert loaded == old, step
        else:
            load_run(folder)  # which compares the model with the run's
            assert loaded[1] == end[1], step
        assert writer("train", folder, "exit", 0) == 0, step
        assert told(folder) == end, step
        assert names(folder) == names(whole), step
        ours, theirs = (load_run(place)[0].model.state_dict() for place in (folder, whole))
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items()), step
        if code == 0:
            break
    assert n_killed > 5


@posix
@pytest.mark.slow
def test_random_kills_leave_one_of_two_models(writer: Writer, models: dict[str, Path], tmp_path: Path) -> None:
    """kill -9 at a random moment of a loop that writes one model over the other."""
    draw, both = random.Random(0), [told(folder) for folder in models.values()]
    folder, left, found = fresh(models["old"], tmp_path / "model"), 0, set()
    for _ in range(2):  # the writer has to start for the first
        began = time.monotonic()
        assert writer("model", folder, "exit", 0) == 0
    once = time.monotonic() - began  # how long one write takes
    for _ in range(KILLS):
        kill = writer("model", folder, "loop")
        time.sleep(draw.uniform(0, 3 * once))
        assert kill() == -signal.SIGKILL
        left += bool(names(folder) & {COMMITTED, STAGED})
        found.add(told(folder))
        assert found <= set(both)
        assert (folder / "notes.txt").read_text() == "mine"
    print(f"{KILLS} kills: {left} left something over")
    assert len(found) == 2
    assert left > KILLS // 20  # else the kills hit nothing
    make(folder, 2, WORDS)
    assert names(folder) == names(models["new"]) | {"notes.txt"}


# --- Who else is there ----------------------------------------------------------------------------------------------


def test_a_second_writer_is_refused_in_one_line(models: dict[str, Path], tmp_path: Path) -> None:
    """Also one that saves a vocabulary only; and the first one's files are not taken for left over ones."""
    folder = fresh(models["old"], tmp_path / "model")
    tok = Tokenizer.load(models["new"])
    with exclusive(folder), replacing_files(folder) as part:
        (part / "half.txt").write_text("half")
        for write in (lambda: make(folder, 2, WORDS), lambda: tok.save(folder)):
            with pytest.raises(BlockingIOError, match="model: another process writes into it") as refused:
                write()
            assert "\n" not in str(refused.value)
        assert told(folder) == told(models["old"])
        assert (part / "half.txt").exists()
    assert (folder / "half.txt").exists()
    make(folder, 2, WORDS)  # and then it is free


@posix
def test_the_hold_of_a_killed_writer_ends_with_it(writer: Writer, models: dict[str, Path], tmp_path: Path) -> None:
    folder = fresh(models["old"], tmp_path / "model")
    kill = writer("train", folder, "loop")
    time.sleep(0.1)
    kill()
    with exclusive(folder, wait=0):
        pass


def test_a_reader_waits_for_the_writer_that_is_moving_its_files(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, moving, complete = fresh(models["old"], tmp_path / "model"), threading.Event(), atomic.complete

    def slow(place: Path) -> None:
        if place == folder and (place / COMMITTED).exists():
            moving.set()
            time.sleep(0.3)
        complete(place)

    monkeypatch.setattr(atomic, "complete", slow)
    new = load_checkpoint(models["new"], "cpu")
    thread = threading.Thread(
        target=save_checkpoint, args=(new.model, folder, new.tokenizer, None, new.generation_config)
    )
    thread.start()
    assert moving.wait(10)
    assert told(folder) == told(models["new"])
    thread.join()


def test_left_over_files_of_older_versions_go_and_others_stay(models: dict[str, Path], tmp_path: Path) -> None:
    folder = fresh(models["old"], tmp_path / "model")
    (folder / "tmpab3_x9yz.part").mkdir()
    (folder / "tmpab3_x9yz.part" / "model.safetensors").write_text("half")
    (folder / "training.pt.812-140512.part").write_text("half")
    mine = {"notes.part", "model.gguf.part", "tmp", ".hidden"}
    for name in mine:
        (folder / name).write_text("mine")
    make(folder, 2, WORDS)
    assert names(folder) == names(models["new"]) | mine | {"notes.txt"}


# --- Folders of all kinds -------------------------------------------------------------------------------------------


def test_a_link_and_the_current_folder(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fresh(models["old"], tmp_path / "real")
    (tmp_path / "link").symlink_to(real, target_is_directory=True)
    make(tmp_path / "link", 2, WORDS)
    assert (tmp_path / "link").is_symlink()
    assert names(real) == names(models["new"]) | {"notes.txt"}
    monkeypatch.chdir(real)
    make(Path(), 3, WORDS)
    assert told(real)[2] == 3.5


def test_a_linked_file_is_replaced_and_what_it_leads_to_is_not_written(models: dict[str, Path], tmp_path: Path) -> None:
    """As in the Hub's cache, where a model's files lead to blobs that other snapshots share."""
    folder = tmp_path / "snapshot"
    folder.mkdir()
    for file in models["old"].iterdir():
        (folder / file.name).symlink_to(file)
    before = {file.name: file.read_bytes() for file in models["old"].iterdir()}
    make(folder, 2, WORDS)
    assert {file.name: file.read_bytes() for file in models["old"].iterdir()} == before
    assert told(folder)[2] == 2.5


def test_a_folder_in_a_files_place_is_refused_before_anything_changes(models: dict[str, Path], tmp_path: Path) -> None:
    folder = fresh(models["old"], tmp_path / "model")
    (folder / "model.safetensors").mkdir()
    with pytest.raises(IsADirectoryError, match=r"model\.safetensors is a folder: move it"):
        make(folder, 2, WORDS)
    assert names(folder) == names(models["old"]) | {"notes.txt", "model.safetensors"}


def test_a_folder_that_cannot_be_written_to_is_named(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot be written to.*file"):
        make(tmp_path / "file", 2, WORDS)
    if os.name == "posix" and os.geteuid():
        folder = fresh(models["old"], tmp_path / "model")
        folder.chmod(0o500)
        with pytest.raises(OSError, match=r"cannot be written to \(Permission denied.*model"):
            make(folder, 2, WORDS)
        assert told(folder) == told(models["old"])


def test_a_folder_that_names_files_elsewhere_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    """What a killed writer leaves is read from disk, and may have come with somebody's download."""
    folder = fresh(models["old"], tmp_path / "model")
    (folder / COMMITTED).mkdir()
    (folder / COMMITTED / ".goes").write_text('["../precious"]')
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(ValueError, match=r"names '\.\./precious', no file of this folder"):
        load_checkpoint(folder)
    assert (tmp_path / "precious").exists()
