"""The compact form of an official vocabulary: the same vocabulary, and never read where anything about it is wrong."""

from pathlib import Path
from typing import NoReturn

import pytest

from tests.tokenizer.conftest import TEXTS, obtain
from tokenizer import Tokenizer, patterns, train
from tokenizer.fetch.official import VOCABULARIES
from tokenizer.formats import compact, files, gpt2_files, tiktoken_file
from tokenizer.vocabulary import Vocabulary

SMALL = train(TEXTS["mixed"], 400).vocabulary
OTHER = train(TEXTS["english"], 300).vocabulary


def unasked() -> NoReturn:
    raise AssertionError("the official files are read again")


def test_every_official_vocabulary_has_a_pattern():
    assert compact.PATTERNS.keys() == VOCABULARIES.keys()


@pytest.mark.parametrize("name", compact.PATTERNS)
def test_it_is_what_the_official_files_hold(name, tmp_path, monkeypatch):
    folder = obtain(name)
    official = files.read(folder if name == "gpt2" else folder / f"{name}.tiktoken")
    assert compact.load(name, tmp_path, lambda: official) is official
    assert [path.name for path in tmp_path.iterdir()] == [compact.FILE]
    again = compact.load(name, tmp_path, unasked)
    assert again == official
    assert list(again.ranks) == sorted(official.ranks, key=official.ranks.__getitem__)
    assert Tokenizer.load(name).vocabulary == official
    for module in (gpt2_files, tiktoken_file):
        monkeypatch.setattr(module, "read", unasked)
    assert Tokenizer.load(name).vocabulary == official


def kept(folder: Path) -> bytes:
    compact.load("gpt2", folder, lambda: SMALL)
    return (folder / compact.FILE).read_bytes()


@pytest.mark.parametrize("place", [0, 31, 32, 36, 100, 500, -1])
def test_a_damaged_one_is_made_anew(place, tmp_path):
    data = bytearray(kept(tmp_path))
    data[place] ^= 1
    for damaged in (bytes(data), bytes(data[:place]), b""):
        (tmp_path / compact.FILE).write_bytes(damaged)
        assert compact.load("gpt2", tmp_path, lambda: OTHER) is OTHER
        assert compact.load("gpt2", tmp_path, unasked) == OTHER


def test_one_of_other_files_is_made_anew(tmp_path, monkeypatch):
    data = kept(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / compact.FILE).write_bytes(data)
    assert compact.load("cl100k_base", tmp_path / "other", lambda: OTHER) is OTHER
    first, second = VOCABULARIES["gpt2"]
    monkeypatch.setitem(VOCABULARIES, "gpt2", (first, second._replace(sha256=64 * "0")))
    assert compact.load("gpt2", tmp_path, lambda: OTHER) is OTHER
    kept(tmp_path)
    monkeypatch.setattr(compact, "VERSION", 2)
    assert compact.load("gpt2", tmp_path, lambda: SMALL) is SMALL


def test_an_edited_pattern_counts(tmp_path, monkeypatch):
    kept(tmp_path)
    monkeypatch.setattr(patterns, "GPT2_PATTERN", r"\S+|\s+")
    assert compact.load("gpt2", tmp_path, unasked).pattern == r"\S+|\s+"


@pytest.mark.parametrize(
    "unusual",
    [
        Vocabulary({b"a": 1}),
        Vocabulary({b"a": 0, b"b": 2}),
        Vocabulary({b"a": 0}, normalizer="NFC"),
        Vocabulary({b"a": 0}, "a+"),
        Vocabulary({b"a": 0}, special_tokens={"<x>\n7 <y>": 1}),
        Vocabulary({b"a": 0}, after=(0,)),
    ],
    ids=str,
)
def test_what_it_cannot_hold_is_not_kept(unusual, tmp_path):
    assert compact.load("gpt2", tmp_path, lambda: unusual) is unusual
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_to_is_none(tmp_path):
    gone = tmp_path / "gone"
    assert compact.load("gpt2", gone, lambda: SMALL) is SMALL
    assert not gone.exists()


def test_another_pattern_and_another_folder_are_read_from_the_files(monkeypatch):
    folder = obtain("gpt2")
    monkeypatch.setattr(compact, "load", lambda *_: unasked())
    assert Tokenizer.load("gpt2", pattern=r"\S+|\s+").pattern == r"\S+|\s+"
    assert Tokenizer.load(folder).n_vocab == 50257
