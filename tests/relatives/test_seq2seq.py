"""What BART and T5 write against transformers' `generate`: greedy and beams, the same ids and the same text, with the
settings that their files bring along; sampling, batches, refusals."""

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

import minigpt
from minigpt.generation import beam_search
from minigpt.generation.completion import Completion
from minigpt.models.t5 import T5
from minigpt.relatives import seq2seq, together
from minigpt.relatives.reading import Visible
from minigpt.relatives.seq2seq import Seq2Seq
from minigpt.relatives.together import write_together
from tests.parity.seq2seq import reference
from tokenizer import train
from tokenizer.unigram import Unigram

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")
TEXT = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
TEXTS = ["Translate: the cat", "a", "", "What <mask> said  <extra_id_0> in the\nlesson, and how!", "</s> ends <s>"]
LAYERS = {"num_layers": 3, "num_decoder_layers": 2}  # transformers' cache has no more layers than its encoder
FAMILIES: dict[str, dict[str, Any]] = {
    "bart": {},
    "t5": LAYERS,
    "t5 1.1": LAYERS | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
}


def bart_tokenizer() -> Any:
    """GPT-2's byte-level BPE in small, with BART's special tokens before it and <mask> behind."""
    data = json.loads(json.dumps(train_files()))
    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    vocab = special | {token: i + 4 for token, i in data["vocab"].items()}
    vocab["<mask>"] = len(vocab)
    return transformers.BartTokenizer(vocab=vocab, merges=[tuple(merge) for merge in data["merges"]])


@cache
def train_files() -> dict[str, Any]:
    from tokenizer.formats.tokenizer_json import to_json

    model: dict[str, Any] = to_json(train(TEXT[:5000], 300, special_tokens=()).vocabulary)["model"]
    return {"vocab": model["vocab"], "merges": model["merges"]}


def t5_tokenizer() -> Any:
    learned = tokenizers.Tokenizer(tokenizers.models.Unigram())
    learned.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = tokenizers.trainers.UnigramTrainer(vocab_size=150, special_tokens=special, unk_token="<unk>")
    learned.train_from_iterator([TEXT], trainer)
    return transformers.T5Tokenizer(
        vocab=[tuple(p) for p in json.loads(learned.to_str())["model"]["vocab"]], extra_ids=5
    )


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Seq2Seq, Any, Any]]:
    """`make(family, **settings)`: ours, loaded from a folder; transformers' own model with these settings of
    generation in its file, and its tokenizer."""

    @cache
    def models(family: str) -> tuple[Path, Any, Any]:
        folder = tmp_path_factory.mktemp(family.split()[0])
        tokenizer = bart_tokenizer() if family == "bart" else t5_tokenizer()
        theirs = reference(family.split()[0], vocab_size=len(tokenizer) + 3, **FAMILIES[family])
        theirs.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder, theirs.double(), tokenizer

    def build(family: str, **settings: Any) -> tuple[Seq2Seq, Any, Any]:
        folder, theirs, tokenizer = models(family)
        kept = theirs.generation_config
        start = {"decoder_start_token_id": 2, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
        start = start if family == "bart" else {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
        theirs.generation_config = transformers.GenerationConfig(**start | settings)
        theirs.generation_config.save_pretrained(folder)
        ours = minigpt.load_relative(folder, "cpu", torch.float64)
        assert isinstance(ours, Seq2Seq)
        assert kept is not None
        return ours, theirs, tokenizer

    return build


SETTINGS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "greedy, forced ends": {"forced_bos_token_id": 0, "forced_eos_token_id": 2},
    "greedy, several ends": {"eos_token_id": [5, 9, 17, 40, 41, 42]},
    "greedy, penalties": {"repetition_penalty": 1.4, "no_repeat_ngram_size": 2, "min_new_tokens": 5},
    "greedy, start": {"decoder_start_token_id": 7, "suppress_tokens": [8, 11], "begin_suppress_tokens": [3]},
    "beams": {"num_beams": 3},
    "beams, as bart-base has it": {
        "num_beams": 4,
        "no_repeat_ngram_size": 3,
        "early_stopping": True,
        "forced_bos_token_id": 0,
        "forced_eos_token_id": 2,
    },
    "beams, short": {"num_beams": 4, "length_penalty": -1.0, "eos_token_id": [5, 9, 17, 40, 41, 42]},
    "beams, all of them": {"num_beams": 3, "num_return_sequences": 3, "early_stopping": "never", "length_penalty": 2.0},
    "beams, lengths": {"num_beams": 2, "min_length": 8, "max_length": 15, "eos_token_id": [5, 9, 17, 40, 41, 42]},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("family", FAMILIES)
def test_ids_and_text_equal_those_of_transformers(make: Any, family: str, settings: dict[str, Any]) -> None:
    """Transformers gets the texts in one padded batch, ours one after the other."""
    ours, theirs, tokenizer = make(family, **settings)
    length = {} if "max_length" in settings else {"max_new_tokens": 12}
    given = tokenizer(TEXTS, return_tensors="pt", padding=True)
    rows = [[i for i, real in zip(*row, strict=True) if real] for row in zip(*map(list, numbers(given)), strict=True)]
    assert [ours.ids(text) for text in TEXTS] == rows
    expected = theirs.generate(**given, **length)[:, 1:].tolist()  # without the start
    found = ours.generate(TEXTS, **length)
    flat = [one for each in found for one in (each if isinstance(each, list) else [each])]
    ends = settings.get("eos_token_id", [theirs.generation_config.eos_token_id])
    pads = {theirs.generation_config.pad_token_id, *ends[:1]}  # transformers' beams take 0 for no pad, and an end token
    for one, ids in zip(flat, expected, strict=True):
        n = len(one.ids)
        assert one.ids == ids[:n]
        assert set(ids[n:]) <= pads
        kept = one.ids[:-1] if one.finish_reason == "eos" else one.ids  # the end token has no text, special or not
        assert one.text == tokenizer.decode(kept, skip_special_tokens=True)
    assert [one.n_prompt for one in flat[:: len(flat) // len(rows)]] == [len(row) for row in rows]


def numbers(given: Any) -> tuple[list[list[int]], list[list[int]]]:
    return given.input_ids.tolist(), given.attention_mask.tolist()


def same(one: Completion, other: Completion) -> bool:
    """Whether two answers are equal but for the last digits: a padded batch adds numbers up in another order."""
    near = one.logprobs == pytest.approx(other.logprobs, abs=1e-5) and one.score == pytest.approx(other.score, abs=1e-5)
    return near and replace(one, logprobs=[], score=None) == replace(other, logprobs=[], score=None)


@pytest.mark.parametrize("family", FAMILIES)
def test_several_texts_are_those_alone_drawn_or_not(make: Any, family: str) -> None:
    ours, _, _ = make(family)
    for settings in ({}, {"num_beams": 2}, {"temperature": 0.9, "seed": 3}, {"top_k": 5, "top_p": 0.9, "seed": 3}):
        alone = [ours.generate(text, max_new_tokens=9, **settings) for text in TEXTS]
        assert all(map(same, ours.generate(TEXTS, max_new_tokens=9, **settings), alone))
    drawn = ours.generate([TEXTS[0]] * 2, max_new_tokens=9, temperature=1.5, seed=3, num_return_sequences=3)
    assert all(map(same, drawn[0], drawn[1]))
    assert len({tuple(one.ids) for one in drawn[0]}) == 3
    other = ours.generate(TEXTS[0], max_new_tokens=9, temperature=1.5, seed=4)
    assert other.ids != drawn[0][0].ids


def test_the_seed_depends_on_the_text_that_was_read(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two texts would get the same random numbers if only the decoder's own beginning, one token, told them apart."""
    ours, _, _ = make("t5")
    seeds: list[int] = []
    real = seq2seq.run
    monkeypatch.setattr(seq2seq, "run", lambda m, s, settings: seeds.append(settings.seed) or real(m, s, settings))
    monkeypatch.setattr(seq2seq, "write_together", lambda *given: seeds.extend(given[-1]) or write_together(*given))
    ours.generate(["a", "b", "a"], max_new_tokens=1, seed=5, temperature=1.0)
    ours.generate("b", max_new_tokens=1, seed=5, temperature=1.0)
    assert len(seeds) == 4
    assert len(set(seeds)) == 2
    assert seeds.count(seeds[-1]) == 2


@pytest.mark.parametrize("family", FAMILIES)
def test_drawn_tokens_have_the_probabilities_of_transformers(make: Any, family: str) -> None:
    ours, theirs, tokenizer = make(family)
    given = tokenizer(TEXTS[0], return_tensors="pt")
    start = torch.tensor([[theirs.generation_config.decoder_start_token_id]])
    logits = theirs(**given, decoder_input_ids=start).logits[0, -1]
    best = logits.topk(4)
    probabilities = (best.values / 1.3).softmax(-1)
    drawn = ours.generate(
        TEXTS[0], max_new_tokens=1, temperature=1.3, top_k=4, seed=1, num_return_sequences=2000, plain=True
    )
    counts = torch.tensor([sum(one.ids == [int(id)] for one in drawn) for id in best.indices])
    assert counts.sum() == 2000
    assert (counts / 2000 - probabilities).abs().max() < 0.04
    logprob = logits.log_softmax(-1)[drawn[0].ids[0]].item()
    assert drawn[0].logprobs == pytest.approx([logprob], abs=1e-5)


def test_a_stop_string_ends_the_text_and_is_none_of_it(make: Any) -> None:
    for family in FAMILIES:
        ours, _, _ = make(family)
        ids = ours.generate(TEXTS[0], max_new_tokens=20).ids
        whole = ours.visible.decode(ids)  # with the space that T5 begins with
        for stop in {whole[at:][:3] for at in (0, 1, len(whole) // 2)}:
            for settings in ({}, {"num_beams": 2}):
                ended = ours.generate(TEXTS[0], max_new_tokens=20, stop=stop, **settings)
                assert stop not in ended.text
            before = whole[: whole.index(stop)]
            text = ours.generate(TEXTS[0], max_new_tokens=20, stop=stop).text
            assert text == (before if family == "bart" else before.removeprefix(" "))


def test_prompt_lookup_and_alternatives_change_no_text(make: Any) -> None:
    for family in FAMILIES:
        ours, _, _ = make(family)
        plain = ours.generate(TEXTS, max_new_tokens=20)
        assert [c.ids for c in ours.generate(TEXTS, max_new_tokens=20, prompt_lookup_num_tokens=4)] == [
            c.ids for c in plain
        ]
        assert all(len(c.top_logprobs) == len(c.ids) for c in ours.generate(TEXTS, max_new_tokens=5, top_logprobs=2))


def test_what_is_written_has_no_special_tokens_but_its_ids_have(make: Any) -> None:
    ours, _, _ = make("bart", forced_bos_token_id=0, forced_eos_token_id=2)
    found = ours.generate("a", max_new_tokens=4)
    assert (found.ids[0], found.ids[-1], found.finish_reason) == (0, 2, "eos")
    assert "<" not in found.text
    assert ours.tokenizer.decode(found.ids).startswith("<s>")


# --- Mistakes that must be seen ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_a_copy_writes_the_same(make: Any, family: str) -> None:
    ours, _, _ = make(family)
    for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert twin.generate(TEXTS[0], max_new_tokens=6) == ours.generate(TEXTS[0], max_new_tokens=6)


def second_memory(model: Any, patch: pytest.MonkeyPatch) -> None:
    right = type(model).encode
    patch.setattr(type(model), "encode", lambda self, ids, mask=None: right(self, ids.flip(1), mask))


def no_positions(model: Any, patch: pytest.MonkeyPatch) -> None:
    right = type(model).decode
    patch.setattr(
        type(model), "decode",
        lambda self, ids, memory, mask=None, pos=None, cache=None: right(
            self, ids, memory, mask, None if pos is None else pos.clamp(max=2), cache),
    )  # fmt: skip


def beams_not_followed(_model: Any, patch: pytest.MonkeyPatch) -> None:
    for module in (beam_search, together):
        patch.setattr(module, "follow", lambda cache, parents, n_slots: beams(cache, parents, n_slots))


def beams(cache: Any, parents: list[int], _n_slots: int) -> Any:
    return cache if len(parents) == cache.k.shape[1] else cache.rows(torch.arange(len(parents)) % cache.k.shape[1])


def start_from_the_end(_model: Any, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Seq2Seq, "start", lambda _self, _given=None: 4)


def nothing_around(_model: Any, patch: pytest.MonkeyPatch) -> None:
    right = Seq2Seq.ids
    patch.setattr(Seq2Seq, "ids", lambda self, prompt: right(self, prompt)[:-1] or [4])


MISTAKES = (second_memory, no_positions, beams_not_followed, start_from_the_end, nothing_around)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_seen(make: Any, monkeypatch: pytest.MonkeyPatch, mistake: Any) -> None:
    ours, theirs, tokenizer = make("bart", num_beams=4)
    expected = [theirs.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=14)[0, 1:] for text in TEXTS]
    mistake(ours.model, monkeypatch)
    found = [one.ids for one in ours.generate(TEXTS, max_new_tokens=14)]
    assert any(ids != row.tolist()[: len(ids)] for ids, row in zip(found, expected, strict=True))


# --- Refusals ---------------------------------------------------------------------------------------------------


def test_what_cannot_be_is_refused_in_one_line(make: Any) -> None:
    ours, _, _ = make("bart")
    refusals: list[tuple[dict[str, Any], Any, str]] = [
        ({"text": "a " * 60}, ValueError, r"tokens, the model reads from 1 to 48: cut it into parts"),
        ({"text": [[9999]]}, ValueError, "id 9999 is not in the vocabulary"),
        ({"text": "a", "decoder_start_token_id": 9999}, ValueError, "id 9999 is not in the vocabulary"),
        ({"text": "a", "decoder_start_token_id": "x"}, ValueError, "must be"),
        ({"text": "a", "max_new_tokens": 99}, ValueError, "exceed the context of 48"),
        (
            {"text": "a", "encoder_repetition_penalty": 2.0},
            ValueError,
            "encoder_repetition_penalty=2.0 is not supported here",
        ),
        ({"text": "a", "temprature": 2.0}, TypeError, "did you mean 'temperature'"),
        ({"text": "a", "num_beams": 2, "temperature": 1.0}, ValueError, "does not sample"),
    ]
    for given, kind, message in refusals:
        with pytest.raises(kind, match=message) as error:
            ours.generate(given.pop("text"), **given)
        assert "\n" not in str(error.value)
    assert ours.generate([]) == []
    with pytest.raises(ValueError, match="names no token to start from: give decoder_start_token_id"):
        Seq2Seq(ours.model, ours.tokenizer).generate("a")
    with pytest.raises(ValueError, match="no vocabulary"):
        Seq2Seq(ours.model, None, ours.generation_config).generate("a")
    assert Seq2Seq(ours.model, None, ours.generation_config).generate([4, 5], max_new_tokens=3).text == ""
    ours.model.train()
    with pytest.raises(ValueError, match="training mode"):
        ours.generate("a", max_new_tokens=2)
    ours.model.eval()


def test_folders_that_lack_something_say_so(make: Any, tmp_path: Path) -> None:
    ours, theirs, _ = make("t5")
    tokenizer = t5_tokenizer()
    assert ours.path is not None
    theirs.save_pretrained(tmp_path)
    assert Seq2Seq.load(tmp_path).tokenizer is None
    (tmp_path / "spiece.model").write_bytes(b"")
    with pytest.raises(ValueError, match=r"spiece\.model and no tokenizer\.json, which is read here: load it once"):
        Seq2Seq.load(tmp_path)
    tokenizer.add_special_tokens({"additional_special_tokens": [f"<more_{i}>" for i in range(9)]})
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"the vocabulary has \d+ ids, the model only \d+"):
        Seq2Seq.load(tmp_path)
    with pytest.raises(ValueError, match=r"'t5', an encoder-decoder, .*: load it with minigpt\.load_relative"):
        minigpt.load(str(ours.path))


def test_a_start_token_in_config_json_alone_counts(make: Any, tmp_path: Path) -> None:
    ours, theirs, tokenizer = make("bart")
    theirs.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").unlink()
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"decoder_start_token_id": 7, "num_beams": 2, "forced_bos_token_id": 0}
    (tmp_path / "config.json").write_text(json.dumps(config))
    older = Seq2Seq.load(tmp_path, "cpu", torch.float64)
    same = ours.generate(
        "a", max_new_tokens=6, decoder_start_token_id=7, num_beams=2, forced_bos_token_id=0, forced_eos_token_id=2
    )
    assert older.generate("a", max_new_tokens=6).ids == same.ids


def test_it_shows_what_it_is(make: Any) -> None:
    ours, _, _ = make("t5")
    assert isinstance(ours.model, T5)
    assert "n_layer=3, n_decoder_layer=2" in repr(ours)
    tok = Unigram([("<unk>", 0.0), ("<0xC3>", -1.0), ("<0xA9>", -1.0)], byte_fallback=True)
    assert Visible(tok).decode([1, 2]) == "é"
