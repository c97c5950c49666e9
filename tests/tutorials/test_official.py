"""The excerpts of the official vocabularies give the very ids that the whole ones give, and refuse other texts."""

import json

import pytest

from minigpt.exercises import official
from tokenizer import Tokenizer
from tokenizer.fetch.official import locate

STORED = json.loads(official.FILE.read_text("utf-8"))
NAMES = tuple(official.PATTERNS)
SOURCE_NOTEBOOK = {  # text: ids in GPT-2's vocabulary, in cl100k_base
    "Unbelievable tokenization powers! 🚀": (
        [3118, 6667, 11203, 540, 11241, 1634, 5635, 0, 12520, 248, 222],
        [1844, 32898, 24694, 4037, 2065, 13736, 0, 11410, 248, 222],
    ),
    "The 🌟 star-player scored 40 points!": (
        [464, 12520, 234, 253, 3491, 12, 7829, 7781, 2319, 2173, 0],
        [791, 11410, 234, 253, 6917, 43467, 16957, 220, 1272, 3585, 0],
    ),
    "When using LLMs,": ([2215, 1262, 27140, 10128, 11], [4599, 1701, 445, 11237, 82, 11]),
}


@pytest.mark.parametrize("name", NAMES)
def test_known_ids(name: str) -> None:
    tok = official.excerpt(name, STORED)
    for text, ids in SOURCE_NOTEBOOK.items():
        assert tok.encode(text) == ids[NAMES.index(name)]
        assert tok.decode(tok.encode(text)) == text
    assert tok.n_vocab == {"gpt2": 50257, "cl100k_base": 100277}[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_excerpt_is_the_whole_for_its_texts(name: str) -> None:
    try:
        locate(name)
    except OSError as error:
        pytest.skip(str(error))
    whole, part = Tokenizer.load(name), official.excerpt(name, STORED)
    for text in STORED["texts"]:
        assert part.encode(text) == whole.encode(text)
        assert part.encode(text, allow_special="all") == whole.encode(text, allow_special="all")
        assert part.trace(text) == whole.trace(text)
    assert official.cut_down(whole, STORED["texts"]) == STORED[name], "python -m minigpt.exercises.official"


@pytest.mark.parametrize("name", NAMES)
def test_other_texts_are_refused_and_not_cut_wrongly(name: str) -> None:
    part = official.excerpt(name, STORED)
    for text in ("archaeopteryx", "Hello archaeopteryx"):
        with pytest.raises(ValueError, match=f"archaeopteryx.*{name}"):
            part.encode(text)
        with pytest.raises(ValueError, match="archaeopteryx"):
            part.trace(text)


def test_without_the_whole_the_excerpt_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(official, "cache_dir", lambda: tmp_path)
    for name in NAMES:
        assert isinstance(official.official(name), official.Excerpt)
