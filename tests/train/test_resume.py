"""What --resume obeys and refuses, what a run remembers, and accidents: signals, full disks, two runs in one folder."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from minigpt.cli import main
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.train import checkpoint
from minigpt.train.checkpoint import check_space, load_run, resume, save
from minigpt.train.data import Texts, hold_out
from minigpt.train.losses import read_log
from minigpt.train.run import run
from minigpt.train.trainer import Scores, Trainer, TrainSettings
from tokenizer import Tokenizer
from tokenizer import train as train_tokenizer
from tokenizer.fetch.atomic import exclusive
from weights import load_checkpoint, save_checkpoint

TEXT = "The cat sat on the mat.\nThe dog sat on the log.\nA bird sang in the tree.\n" * 60
BEGUN = {
    "--vocab-size": 300,
    "--n-layer": 1,
    "--n-head": 2,
    "--n-embd": 16,
    "--block-size": 16,
    "--batch-size": 4,
    "--warmup": 2,
    "--steps": 6,
    "--evaluate-every": 3,
    "--learning-rate": 0.002,
    "--seed": 5,
    "--precision": "float32",
    "--device": "cpu",
}


OF_THE_RUN = ("training.pt", "training.jsonl", "training.csv", "training.png", "README.md")


def words(flags: dict[str, Any]) -> list[str]:
    """A command's words: None leaves a flag out, True is a flag without a value."""
    given = [(flag, value) for flag, value in flags.items() if value is not None]
    return [str(word) for flag, value in given for word in ([flag] if value is True else [flag, value])]


def command(out: Path, **flags: Any) -> int:
    return main(["train", "--out", str(out), *words({f"--{n.replace('_', '-')}": v for n, v in flags.items()})])


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, its copy, another one, and a run of six steps."""
    home = tmp_path_factory.mktemp("runs")
    (home / "a.txt").write_text(TEXT, encoding="utf-8")
    (home / "copy.txt").write_text(TEXT, encoding="utf-8")
    (home / "b.txt").write_text(TEXT.replace("cat", "hen"), encoding="utf-8")
    assert main(["train", "--text", str(home / "a.txt"), "--out", str(home / "run"), *words(BEGUN)]) == 0
    return home


@pytest.fixture
def folder(begun: Path, tmp_path: Path) -> Path:
    """A copy of the run, to go on with."""
    return Path(shutil.copytree(begun / "run", tmp_path / "run"))


# --- What --resume obeys, and what it refuses -----------------------------------------------------------------------


def test_a_run_remembers_all_that_it_was_asked_for(begun: Path) -> None:
    trainer, log, record = load_run(begun / "run")
    asked = {f"--{name.replace('_', '-')}": value for name, value in record.asked.items()}
    assert asked.items() >= BEGUN.items()
    assert asked["--text"] == [str((begun / "a.txt").resolve())]
    assert (asked["--compile"], asked["--plain"], asked["--finetune"], asked["--val"]) == (False, False, None, None)
    assert [entry["step"] for entry in log] == [3, 6]
    assert trainer.settings.seed == 5
    assert record.tokenizer().ranks == Tokenizer.load(begun / "run").ranks


def test_resume_alone_repeats_what_was_asked(begun: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Six more steps: evaluated as often, on the same text, with the same settings."""
    assert command(folder, resume=True, steps=12) == 0
    told = capsys.readouterr().err
    assert re.findall(r"step (\d+): loss", told) == ["9", "12"]
    rates = [load_run(folder)[0].settings.rate(step) for step in (6, 12)]
    curve = "from step 6 on the learning rate follows the curve for 12 steps"
    assert f"{curve}: {rates[0]:.2g} now, {rates[1]:.2g} at the end\n" in told
    trainer, log, record = load_run(folder)
    assert (trainer.step, [entry["step"] for entry in log]) == (12, [3, 6, 9, 12])
    assert trainer.settings == replace(load_run(begun / "run")[0].settings, steps=12)
    assert record.asked == load_run(begun / "run")[2].asked | {"steps": 12}
    assert command(folder, resume=True) == 0  # nothing is left to do
    assert load_run(folder)[0].step == 12


def test_a_run_that_was_cut_off_ends_as_the_whole_one(begun: Path, tmp_path: Path) -> None:
    """The same command with --resume, whatever lies in the folder: its vocabulary is its own."""
    out = tmp_path / "cut"
    text = begun / "a.txt"
    tok = train_tokenizer(TEXT, 300)
    texts = Texts.of(*hold_out(TEXT), tok)
    whole, _, record = load_run(begun / "run")
    torch.manual_seed(5)
    trainer = Trainer(GPT2(replace(whole.model.config)), whole.settings)  # type: ignore[arg-type, type-var]
    steps = run(trainer, tok, texts, out, [], 3, replace(record, model=None))
    with exclusive(out):
        next(steps), next(steps)
        steps.close()  # before there is a model
    assert {file.name for file in out.iterdir()} == {"training.pt", "training.jsonl"}
    train_tokenizer("quite another text", 270).save(out)
    assert main(["train", "--resume", "--text", str(text), "--out", str(out), *words(BEGUN)]) == 0
    states = [resume(place)[0].model.state_dict() for place in (out, begun / "run")]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert (out / "vocab.json").read_bytes() == (begun / "run" / "vocab.json").read_bytes()


@pytest.mark.parametrize(
    ("flag", "value"),
    [("steps", 9), ("learning_rate", 0.5), ("evaluate_every", 1), ("precision", "bfloat16"), ("plain", True)],
)
def test_what_may_change_is_obeyed_and_remembered(flag: str, value: Any, folder: Path) -> None:
    assert command(folder, resume=True, **({"steps": 8} | {flag: value})) == 0
    trainer, log, record = load_run(folder)
    assert record.asked[flag] == value
    assert {**vars(trainer.settings), "plain": trainer.plain, "evaluate_every": 1}[flag] == value
    assert [entry["step"] for entry in log] == {"steps": [3, 6, 9], "evaluate_every": [3, 6, 7, 8]}.get(flag, [3, 6, 8])


@pytest.mark.parametrize("flag", [flag for flag in BEGUN if flag not in ("--device",)])
def test_the_same_value_again_is_no_error(flag: str, folder: Path, begun: Path) -> None:
    name = flag.removeprefix("--").replace("-", "_")
    assert command(folder, resume=True, text=begun / "copy.txt", **{name: BEGUN[flag]}) == 0


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        *((flag, value, f"--{flag.replace('_', '-')} {value}: the run in ") for flag, value in [
            ("vocab_size", 301), ("n_layer", 2), ("n_head", 4), ("n_embd", 32), ("block_size", 8), ("batch_size", 5),
            ("warmup", 3), ("seed", 6), ("dropout", 0.25), ("finetune", "storyteller"),
        ]),
        ("steps", 5, "--steps 5: the run in "),
        ("text", "b.txt", "b.txt is not what the run was begun with"),
        ("val", "b.txt", "b.txt is not wanted, its run was begun without"),
        ("text", "none.txt", "there is no file"),
        ("encoding", "utf-16", "a.txt is not "),
    ],
)  # fmt: skip
def test_what_may_not_change_is_refused_by_name(
    flag: str, value: Any, message: str, folder: Path, begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    value = begun / value if flag in ("text", "val") else value
    assert command(folder, **{"resume": True, "steps": 20, flag: value}) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_text_that_moved_is_asked_for(begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.txt").write_text(TEXT, encoding="utf-8")
    assert main(["train", "--text", str(tmp_path / "t.txt"), "--out", str(tmp_path / "m"), *words(BEGUN)]) == 0
    (tmp_path / "t.txt").unlink()
    capsys.readouterr()
    assert command(tmp_path / "m", resume=True, steps=8) == 1
    assert re.search(r"t\.txt: no such file; give the path .*--text", capsys.readouterr().err)
    assert command(tmp_path / "m", resume=True, steps=8, text=begun / "a.txt") == 0


def test_the_rate_stays_at_its_floor_and_follows_the_new_length() -> None:
    settings = TrainSettings(steps=20, warmup=5, learning_rate=1.0)
    assert [round(settings.rate(step), 6) for step in (20, 21, 30, 40, 10**9)] == [0.1] * 5
    longer = replace(settings, steps=60)
    assert longer.rate(20) > 0.5
    assert longer.rate(60) == pytest.approx(0.1)


# --- The file of a run ----------------------------------------------------------------------------------------------


def test_every_flipped_byte_is_refused_or_changes_nothing(begun: Path, tmp_path: Path) -> None:
    """torch.load itself takes a file with other numbers in it."""
    data = (begun / "run" / "training.pt").read_bytes()
    right, n_refused = resume(begun / "run")[0].model.state_dict(), 0
    for name in ("tokenizer.json", "model.safetensors"):
        shutil.copy(begun / "run" / name, tmp_path)
    for at in range(7, len(data), len(data) // 60):
        (tmp_path / "training.pt").write_bytes(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])
        try:
            found = resume(tmp_path)[0].model.state_dict()
            assert all(torch.equal(value, right[name]) for name, value in found.items()), at
        except ValueError as error:
            n_refused += bool(re.search(r"training\.pt is damaged or not a minigpt run", str(error)))
    assert n_refused > 40


def saved(**values: Any) -> bytes:
    """The bytes of a file as torch writes it."""
    file = io.BytesIO()
    torch.save(values, file)
    return file.getvalue()


CONFIG = {"hidden_size": 1, "n_embd": 1, "n_head": 1, "num_attention_heads": 1, "intermediate_size": 1, "vocab_size": 1}


@pytest.mark.parametrize(
    "data",
    [
        saved(),
        saved(model={"a": torch.zeros(3)}),
        *(
            saved(record={}, config=CONFIG | {"model_type": kind, name: value}, model={"a": torch.zeros(3)})
            for kind in ("gpt2", "llama", "else")
            for name, value in (("n_layer", 10**5), ("num_hidden_layers", 10**5), ("vocab_size", 10**18))
        ),
        saved(record={"else": 1}, config={}, model={}),
    ],
)
def test_files_of_others_are_refused_in_one_line(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "training.pt").write_bytes(data)
    with pytest.raises(ValueError, match="damaged or not a minigpt run") as refused:
        resume(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_pickle_of_another_protocol_is_refused_without_a_warning(
    begun: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    state = torch.load(begun / "run" / "training.pt", weights_only=True)
    torch.save(state, tmp_path / "training.pt", pickle_protocol=5)
    with pytest.raises(ValueError, match="damaged or not a minigpt run"):
        resume(tmp_path)
    assert not recwarn.list


def test_no_code_of_a_file_runs(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    (tmp_path / "training.pt").write_bytes(saved(model=Evil()))
    with pytest.raises(ValueError, match="damaged or not a minigpt run"):
        resume(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("change", ["model", "vocabulary", "none"])
def test_a_run_of_another_model_is_refused(change: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if change == "model":
        save_checkpoint(load_checkpoint("storyteller", "cpu").model, folder)
    elif change == "vocabulary":
        train_tokenizer("quite another text", 270).save(folder)
    else:
        (folder / "model.safetensors").unlink()
    assert command(folder, resume=True, steps=9) == 1
    assert "training.pt belongs to another model than the one in" in capsys.readouterr().err


# --- Folders --------------------------------------------------------------------------------------------------------


def test_a_model_in_the_folder_stays_until_the_first_new_one_is_whole(
    begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    story = load_checkpoint("storyteller", "cpu")
    save_checkpoint(story.model, out, story.tokenizer)
    (out / "notes.txt").write_text("mine")
    tok = train_tokenizer(TEXT, 300)
    torch.manual_seed(0)
    model = GPT2(GPT2Config(vocab_size=tok.n_vocab, n_ctx=16, n_layer=1, n_head=2, n_embd=16))
    trainer = Trainer(model, TrainSettings(steps=4, batch_size=2, block_size=16))
    with exclusive(out):
        for progress in run(trainer, tok, Texts.of(*hold_out(TEXT), tok), out, [], 4):
            if progress.step < 4:
                found = load_checkpoint(out, "cpu")
                assert found.model.config == story.model.config
                assert found.tokenizer is not None
                assert found.tokenizer.encode("hello world") == story.tokenizer.encode("hello world")  # type: ignore[union-attr]
    assert load_checkpoint(out, "cpu").model.config == model.config
    (out / "training.pt").unlink()
    assert main(["train", "--text", str(begun / "a.txt"), "--out", str(out), *words(BEGUN)]) == 0
    assert f"{out} holds a model: it stays until the first one of this run is whole" in capsys.readouterr().err
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("form", ["same", "link", "relative", "registered"])
def test_finetuning_into_the_models_own_folder_is_refused(
    form: str, begun: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "training.pt").unlink()
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    name, out = str(folder), folder
    if form == "link":
        out = folder.with_name("link")
        out.symlink_to(folder)
    elif form == "relative":
        monkeypatch.chdir(folder)
        out = Path("..") / folder.name
    elif form == "registered":
        monkeypatch.setattr("weights.fetch.locate.STORYTELLER", folder)
        name = "storyteller"
    assert command(out, text=begun / "a.txt", finetune=name, steps=1) == 1
    assert f"is the folder of --finetune {name}: name another one" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_sizes_beside_finetune_are_the_models_or_refused(
    begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = {"text": begun / "a.txt", "finetune": begun / "run", "steps": 1, "device": "cpu"}
    assert command(tmp_path / "t", **flags, n_layer=3) == 1
    assert "--n-layer 3 is for a new model" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()
    assert command(tmp_path / "t", **flags, n_layer=1) == 0
    assert config_of(tmp_path / "t").dropout == config_of(begun / "run").dropout


def config_of(folder: Path) -> GPT2Config:
    config = load_checkpoint(folder, "cpu").model.config
    assert isinstance(config, GPT2Config)
    return config


def test_finetuning_may_have_another_dropout(begun: Path, tmp_path: Path) -> None:
    flags = {"text": begun / "a.txt", "finetune": begun / "run", "device": "cpu", "learning_rate": 1e-9, "warmup": 0}
    losses = {}
    for share in (None, 0.0, 0.9):
        out = tmp_path / str(share)
        assert command(out, **flags, steps=1, **({} if share is None else {"dropout": share})) == 0
        losses[share] = read_log(out)[0]["train"]
        assert share is None or config_of(out).dropout == share
    assert len({*losses.values()}) == 3
    assert config_of(begun / "run").dropout not in (0.0, 0.9)
    out = tmp_path / "0.9"  # goes on with it
    assert command(out, resume=True, steps=2) == 0
    assert config_of(out).dropout == 0.9


def test_two_runs_in_one_folder(begun: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with exclusive(folder):
        assert command(folder, resume=True, steps=9) == 1
        error = capsys.readouterr().err
        assert "another process writes into it" in error
        assert error.count("\n") == 1
        assert main(["export", str(begun / "run"), str(folder)]) == 1
        assert "another process writes into it" in capsys.readouterr().err
    assert command(folder, resume=True, steps=7) == 0


# --- Accidents ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_run_that_is_told_to_end_saves_what_it_has(name: str, code: int, begun: Path, tmp_path: Path) -> None:
    """docker stop, Slurm, a terminal that is closed: as with Ctrl-C, and by the convention 128 + n."""
    flags = words(BEGUN | {"--steps": 100_000, "--evaluate-every": 50_000})
    program = [sys.executable, "-m", "minigpt", "train", "--text", str(begun / "a.txt"), "--out", str(tmp_path), *flags]
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)  # nohup's children inherit that it is ignored
    try:
        with subprocess.Popen(program, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
            assert process.stderr is not None
            shown, more = b"", b" "
            while b"loss=" not in shown and more:
                more = process.stderr.read(1)
                shown += more
            process.send_signal(number)
            rest = process.stderr.read().decode()
    finally:
        signal.signal(number, before)
    assert process.returncode == code
    assert "Traceback" not in rest
    step = int(re.findall(r"stopped and saved at step (\d+); the same command with --resume goes on", rest)[0])
    assert resume(tmp_path)[0].step == step > 0


def test_a_second_signal_ends_at_once() -> None:
    from minigpt.commands.common import stop_requested

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), stop_requested() as stopping:  # noqa: PT012
            signal.raise_signal(signal.SIGINT)
            assert stopping() == signal.SIGINT
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_step_that_fails_overwrites_no_good_state(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / "training.pt").read_bytes()
    for rate in (1e30, 1e38):
        assert command(folder, resume=True, steps=30, learning_rate=rate) == 1
        assert (folder / "training.pt").read_bytes() == before
    monkeypatch.setattr("minigpt.train.trainer.evaluate", lambda *_: Scores(float("nan"), 1.0))
    assert command(folder, resume=True, steps=30) == 1
    assert (folder / "training.pt").read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_full_disk_is_one_line_and_the_last_state_stays(folder: Path) -> None:
    """torch tells a failed write by a RuntimeError; here no file may be longer than one byte less than the state."""
    import resource

    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    limit = len(before["training.pt"]) - 1
    program = [sys.executable, "-m", "minigpt", "train", "--resume", "--out", str(folder), "--steps", "9"]
    done = subprocess.run(
        program,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        check=False,
    )
    last = re.split(r"[\r\n]", done.stderr.rstrip())[-1]
    assert done.returncode == 1
    assert "training.pt could not be written" in last
    assert last.startswith("minigpt: ")
    assert "Traceback" not in done.stderr
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_disk_without_room_is_said_before_the_first_step(
    begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = resume(begun / "run")[0]
    needed = 4 * 4 * sum(p.numel() for p in trainer.model.parameters())
    for free, said in ((needed - 1, "no room: "), (needed, "there is little room: "), (2 * needed, "")):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda _, usage=usage: usage)
        out = tmp_path / str(free)
        code = main(["train", "--text", str(begun / "a.txt"), "--out", str(out), *words(BEGUN)])
        error = capsys.readouterr().err
        assert code == (1 if free < needed else 0)
        assert said in error
        assert ("room: " in error) == bool(said)
        assert out.exists() == (code == 0)
    assert check_space(tmp_path, trainer) == ""


# --- Texts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "flags", "message"),
    [
        (TEXT.encode("utf-16"), [], "--encoding utf-16"),
        (TEXT.encode("utf-16-le"), [], "holds NUL characters"),
        ("caf\u00e9 ".encode("cp1252") * 99, [], "--encoding cp1252"),
        (bytes(range(256)) * 20, [], "is not UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", [], "is not UTF-8 text"),
        (b"a\0b" * 500, [], "holds NUL characters"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", [], "it contains NUL bytes, so it is a binary file"),
        (b"", [], "is empty, there is no text to train on"),
        (b" \n" * 3, [], "is empty"),
        (b"<|endoftext|>" * 50, [], "is empty"),
        (b"too short", [], "at least 17"),
        (None, [], "holds no text files (.txt, .text, .md): name files"),
        (TEXT.encode(), ["--encoding", "base64"], "base64"),
    ],
)
def test_texts_that_are_none_are_one_line(
    data: bytes | None, flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my.txt"
    if data is None:
        file.mkdir()
    else:
        file.write_bytes(data)
    assert main(["train", "--text", str(file), "--out", str(tmp_path / "m"), *words(BEGUN), *flags]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert error.startswith("minigpt: ")
    assert not (tmp_path / "m").exists()


def test_a_text_given_twice_or_as_a_stream(begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twice = ["--text", str(begun / "a.txt"), "--text", str(begun / ".." / begun.name / "a.txt")]
    assert main(["train", *twice, "--out", str(tmp_path / "m")]) == 1
    assert re.search(r"a\.txt is named twice: name it once", capsys.readouterr().err)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert main(["train", "--text", str(tmp_path / "pipe"), "--out", str(tmp_path / "m")]) == 1
        assert "is a stream, which --resume could not read again" in capsys.readouterr().err


def test_the_state_holds_no_more_than_tensors_and_plain_values(begun: Path) -> None:
    with zipfile.ZipFile(begun / "run" / "training.pt") as parts:
        assert parts.testzip() is None
    state = torch.load(begun / "run" / "training.pt", weights_only=True)
    assert json.dumps(state["record"]["asked"])
    save_again = begun / "again"
    trainer, log, record = load_run(begun / "run")
    save(save_again, trainer, log, replace(record, model=None))
    assert load_run(save_again, "cpu")[2].asked == load_run(begun / "run")[2].asked


# --- What a model is tuned from comes along -------------------------------------------------------------------------


def test_finetuning_keeps_what_lies_beside_the_weights(begun: Path, tmp_path: Path) -> None:
    """The chat template, the names of special tokens and the defaults are those of the model tuned, also after
    --resume; none of the base's is lost, and none is made up."""
    base = Path(shutil.copytree(begun / "run", tmp_path / "base"))
    for name in OF_THE_RUN:
        (base / name).unlink()
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
    mine = {"eos_token": "<|endoftext|>", "chat_template": template, "model_max_length": 16}
    (base / "tokenizer_config.json").write_text(json.dumps(mine), encoding="utf-8")
    (base / "generation_config.json").write_text('{"temperature": 0.3, "do_sample": true}', encoding="utf-8")
    out = tmp_path / "tuned"
    flags: dict[str, Any] = {
        "text": begun / "a.txt",
        "finetune": base,
        "steps": 2,
        "evaluate_every": 1,
        "device": "cpu",
    }
    assert command(out, **flags, block_size=8, batch_size=2) == 0
    for steps in (2, 4):
        for file in sorted(base.iterdir()):
            if file.name not in ("config.json", "model.safetensors"):
                assert (out / file.name).read_bytes() == file.read_bytes(), file.name
        checkpoint = load_checkpoint(out, "cpu")
        assert checkpoint.chat_template == template
        assert checkpoint.generation_config["temperature"] == 0.3
        for file in base.iterdir():  # a run does not need them any more
            file.unlink()
        base = Path(shutil.copytree(out, tmp_path / f"kept{steps}"))
        for name in OF_THE_RUN:
            (base / name).unlink()
        assert command(out, resume=True, steps=4, learning_rate=1e-3) == 0
