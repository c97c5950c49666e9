"""Several texts answered at once by BART and T5: what each gets alone, what transformers gives for the padded batch and
what no cache would change; in few passes. Each way of mixing texts up is planted, and must be seen."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minigpt.generation import beam_search
from minigpt.generation.decoding import prefill
from minigpt.generation.settings import Settings
from minigpt.models.attention import causal_mask
from minigpt.relatives import together
from minigpt.relatives.decoder import Decoder
from minigpt.relatives.seq2seq import Seq2Seq
from minigpt.relatives.together import batches
from tests.parity.seq2seq import pair

TEXTS = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14, 15, 16, 1, 2, 3], [50], [77, 3, 4, 5, 6, 7]]
ENDS = [*range(2, 101, 5), 86]  # end tokens enough that texts end at different times
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "greedy, no repetition": {"no_repeat_ngram_size": 2, "repetition_penalty": 1.3},
    "drawn": {"temperature": 1.0, "seed": 3},
    "drawn, three each": {"temperature": 1.2, "top_k": 20, "seed": 4, "num_return_sequences": 3},
    "beams": {"num_beams": 3},
    "beams, all of them": {"num_beams": 4, "num_return_sequences": 4, "early_stopping": "never"},
    "beams, early": {"num_beams": 3, "early_stopping": True, "length_penalty": 2.0, "eos_token_id": [29, 86, 32]},
}
Pair = tuple[Seq2Seq, Any]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """Ours, without a tokenizer, and transformers', by family, in float64."""
    found = {}
    for family, n_layers in (("bart", {}), ("t5", {"num_layers": 3, "num_decoder_layers": 2})):
        model, theirs = pair(tmp_path_factory.mktemp(family), family, torch.float64, **n_layers)
        theirs.generation_config.forced_eos_token_id = None  # which BART's would be
        found[family] = Seq2Seq(model, None, {"decoder_start_token_id": 2, "eos_token_id": ENDS}), theirs
    return found


def ids_of(found: Any) -> list[list[int]]:
    """The new ids of every answer, those of one text side by side."""
    return [one.ids for each in found for one in (each if isinstance(each, list) else [each])]


def alone(ours: Seq2Seq, **settings: Any) -> list[list[int]]:
    return ids_of([ours.generate(text, max_new_tokens=14, **settings) for text in TEXTS])


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("family", ["bart", "t5"])
def test_each_gets_what_it_gets_alone_and_by_transformers(both: dict[str, Pair], family: str, way: Any) -> None:
    ours, theirs = both[family]
    found = ours.generate(TEXTS, max_new_tokens=14, **way)
    ids = ids_of(found)
    assert ids == alone(ours, **way)
    assert len(set(map(len, ids))) > 1  # they end at different times
    for text, each in zip(TEXTS, found, strict=True):
        assert {one.n_prompt for one in (each if isinstance(each, list) else [each])} == {len(text)}
    if "seed" in way:
        return
    longest = max(map(len, TEXTS))
    rows = torch.tensor([text + [1] * (longest - len(text)) for text in TEXTS])
    mask = torch.tensor([[i < len(text) for i in range(longest)] for text in TEXTS]).long()
    more = {"decoder_start_token_id": 2, "eos_token_id": ENDS, "pad_token_id": 1, "do_sample": False}
    wanted = theirs.generate(rows, attention_mask=mask, max_new_tokens=14, **(more | way))[:, 1:].tolist()
    for one, row in zip(ids, wanted, strict=True):
        assert one == row[: len(one)]
        assert set(row[len(one) :]) <= {1}


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_scores_are_those_of_one_text(both: dict[str, Pair], family: str) -> None:
    ours, _ = both[family]
    for way in ({}, {"num_beams": 3}, {"top_logprobs": 3}):
        for one, text in zip(ours.generate(TEXTS, max_new_tokens=8, **way), TEXTS, strict=True):
            same = ours.generate(text, max_new_tokens=8, **way)
            assert one.logprobs == pytest.approx(same.logprobs, abs=1e-5)
            assert one.finish_reason == same.finish_reason
            assert [[id for id, _ in step] for step in one.top_logprobs] == [
                [id for id, _ in step] for step in same.top_logprobs
            ]


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_cached_equals_uncached(both: dict[str, Pair], family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = both[family]
    ways = (WAYS["greedy"], WAYS["drawn, three each"], WAYS["beams"])
    with_cache = [ids_of(ours.generate(TEXTS, max_new_tokens=14, **way)) for way in ways]
    monkeypatch.setattr(together, "decode_step", lambda model, sequences, _: prefill(model, sequences))
    hidden, written = Decoder.hidden, dict[int, torch.Tensor]()

    def anew(self: Decoder, ids: Any, pos: Any = None, cache: Any = None) -> Any:
        """Everything that a beam has is computed again, from the ids that stand in for its keys and values."""
        if cache is None:
            return hidden(self, ids)
        pos = torch.zeros_like(ids) if pos is None else pos
        n = int(pos[0, 0])
        past = cache.k[0, :, 0, :n, 0].long()  # (B, n)
        cache.k[0, :, 0, n, 0] = ids[:, 0]
        written[n] = torch.cat([past, ids], dim=1)
        return hidden(self, written[n])[:, -1:]

    monkeypatch.setattr(Decoder, "hidden", anew)
    assert [ids_of(ours.generate(TEXTS, max_new_tokens=14, **way)) for way in ways] == with_cache
    assert written[3].shape[1] == 4


@pytest.mark.parametrize("way", ["greedy", "drawn, three each", "beams"])
def test_the_encoder_runs_once_and_the_decoder_in_step(
    both: dict[str, Pair], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = both["t5"]
    calls: Counter[str] = Counter()
    for name in ("encode", "decode"):
        right = getattr(type(ours.model), name)
        monkeypatch.setattr(type(ours.model), name, counted(right, name, calls))
    found = ids_of(ours.generate(TEXTS, max_new_tokens=14, **WAYS[way]))
    assert calls["encode"] == 1
    assert calls["decode"] <= 14
    assert calls["decode"] >= max(map(len, found))


def counted(right: Callable[..., Any], name: str, calls: Counter[str]) -> Callable[..., Any]:
    def call(*given: Any) -> Any:
        calls[name] += 1
        return right(*given)

    return call


def test_a_text_whose_beams_have_ended_leaves_the_batch(both: dict[str, Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = both["bart"]
    sizes: list[int] = []
    hidden = Decoder.hidden
    monkeypatch.setattr(
        Decoder, "hidden", lambda self, ids, *at, **more: sizes.append(len(ids)) or hidden(self, ids, *at, **more)
    )
    ours.generate(TEXTS, max_new_tokens=14, **WAYS["beams, early"])
    assert sizes[0] == len(TEXTS)
    assert max(sizes) > 2 * min(sizes[1:])


def test_the_same_text_twice_is_drawn_twice_without_a_seed(both: dict[str, Pair]) -> None:
    ours, _ = both["bart"]
    one, other = ours.generate([[5, 6, 7]] * 2, max_new_tokens=14, temperature=3.0, eos_token_id=[])
    assert one.ids != other.ids
    assert [each.ids for each in ours.generate(TEXTS, max_new_tokens=0)] == [[]] * 5


def test_at_the_end_of_the_positions(both: dict[str, Pair]) -> None:
    """The window slides, or the last token is forced, as for one text."""
    ours, _ = both["bart"]
    for way in ({"context": "slide"}, {"context": "stop", "forced_eos_token_id": 3}):
        settings: dict[str, Any] = {"max_new_tokens": 52, "eos_token_id": [], **way}
        found = ids_of(ours.generate(TEXTS[:3], **settings))
        assert found == ids_of([ours.generate(text, **settings) for text in TEXTS[:3]])
    assert {(len(ids), ids[-1]) for ids in found} == {(47, 3)}


@given(st.lists(st.integers(1, 4000), max_size=80), st.integers(1, 5))
def test_batches_hold_every_text_once_and_not_too_much(lengths: list[int], n_beams: int) -> None:
    found = list(batches(lengths, Settings(num_beams=n_beams)))
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    for batch in found:
        padded = len(batch) * max(lengths[i] for i in batch) * n_beams
        assert len(batch) == 1 or (len(batch) <= 32 and padded <= 16384)
    assert all(len(batch) == 1 for batch in batches(lengths, Settings(prompt_lookup_num_tokens=3)))


# --- Mistakes that must be seen ---------------------------------------------------------------------------------

Plant = Callable[[pytest.MonkeyPatch, Any], Any]


def replaced(place: Any, name: str, wrong: Callable[..., Any]) -> Plant:
    """`wrong` gets the right function first."""

    def plant(patch: pytest.MonkeyPatch, _model: Any) -> None:
        right = getattr(place, name)
        patch.setattr(place, name, lambda *given, **more: wrong(right, *given, **more))

    return plant


def padding_in_encoder(patch: pytest.MonkeyPatch, model: Any) -> None:
    right = type(model).encode
    patch.setattr(type(model), "encode", lambda self, ids, _=None: right(self, ids))


def padding_in_cross(patch: pytest.MonkeyPatch, model: Any) -> None:
    right = type(model).decode
    patch.setattr(
        type(model), "decode",
        lambda self, ids, memory, _=None, pos=None, cache=None: right(self, ids, memory, None, pos, cache),
    )  # fmt: skip


def padded_left(right: Any, self: Any, model: Any, texts: Any) -> None:
    longest = max(map(len, texts))
    right(self, model, [[0] * (longest - len(text)) + text for text in texts])


def parents_of_the_first_text(right: Any, cache: Any, parents: list[int], n_slots: int) -> Any:
    return right(cache, [parent % 3 for parent in parents], n_slots)


def never_ended(right: Any, logits: Any, sequences: Any, *more: Any) -> None:
    for sequence in sequences:
        if sequence.finish_reason == "eos" and len(sequence.new_ids) < sequence.limit:
            sequence.finish_reason = None
    right(logits, sequences, *more)


MISTAKES: dict[str, tuple[str, Plant]] = {
    "padding seen by the encoder": ("greedy", padding_in_encoder),
    "padding seen by cross-attention": ("greedy", padding_in_cross),
    "padded on the left without a mask": ("greedy", replaced(Decoder, "__init__", padded_left)),
    "another text's memory": ("greedy", replaced(Decoder, "rows", lambda right, self, t: right(self, t[::-1]))),
    "memories in turn": (
        "drawn, three each",
        replaced(Decoder, "rows", lambda right, self, t: right(self, [i % len(TEXTS) for i in range(len(t))])),
    ),
    "ended sequences go on": ("greedy", replaced(together, "append_next", never_ended)),
    "one key for all": ("drawn", replaced(together, "sequence_key", lambda right, *_: right(1, 0, [2]))),
    "beams of another text": ("beams", replaced(together, "follow", parents_of_the_first_text)),
    "beams not followed": ("beams", replaced(together, "follow", lambda _, cache, p, __: cache.rows(
        torch.arange(len(p)) % cache.k.shape[1]))),
    "memory of those who have ended": (
        "beams, early",
        replaced(Decoder, "rows", lambda right, self, t: right(self, [t[0]] * len(t))),
    ),
    "beams may end too early": ("beams", replaced(
        beam_search, "worth_going_on", lambda *given: len(given[3]) < 1)),
    "the mask looks ahead": ("greedy", lambda patch, _: patch.setattr(
        "minigpt.models.cache.causal_mask", lambda pos, n: causal_mask(pos - 1, n) | causal_mask(pos * 0, n))),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_seen(both: dict[str, Pair], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = both["bart"]
    way, plant = MISTAKES[name]
    right = alone(ours, **WAYS[way])
    plant(monkeypatch, ours.model)
    found = ids_of(ours.generate(TEXTS, max_new_tokens=14, **WAYS[way]))
    assert found != right
