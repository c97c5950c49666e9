"""The miniatures' trainer: what is hidden and what is to be said, runs that resume, folders that transformers reads."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import torch
from torch.nn.functional import cross_entropy

import minigpt
from minigpt.models.t5 import T5, T5Config
from minigpt.train import gaps, passages, relatives
from minigpt.train.gap_scores import score
from weights.relatives_export import save_relative

transformers = pytest.importorskip("transformers")
TEXT = "<|endoftext|>".join(
    f"Once upon a time there was a {who} who had a {what}. The {who} went into the wood, and the {what} was lost! "
    f'"Where is my {what}?" said the {who}.'
    for who in ("king", "queen", "miller", "frog", "wolf")
    for what in ("son", "daughter", "golden ball", "castle", "horse")
)
CLASSES = {"bert": "BertForMaskedLM", "t5": "T5ForConditionalGeneration", "bart": "BartForConditionalGeneration"}
WORDS = [[10 + i, 50 + i] for i in range(40)]


def quick(kind: str, steps: int) -> relatives.Kind:
    own = relatives.KINDS[kind]
    return replace(own, settings=replace(own.settings, steps=steps, batch_size=4, warmup=2))


def test_masks_are_for_whole_words_in_the_papers_shares() -> None:
    rng, found = Random(0), []
    for _ in range(400):
        ids, labels, _ = gaps.mask_words(WORDS, 4, range(200, 300), rng)
        assert len(ids) == len(labels) == 80
        for i in range(0, 80, 2):
            assert (labels[i] == gaps.IGNORED) == (labels[i + 1] == gaps.IGNORED)
            if labels[i] == gaps.IGNORED:
                assert ids[i : i + 2] == WORDS[i // 2]
            else:
                assert labels[i : i + 2] == WORDS[i // 2]
                found.append("mask" if ids[i] == 4 else "same" if ids[i] == labels[i] else "random")
    assert len(found) / 16000 == pytest.approx(0.15, abs=0.01)
    for how, share in (("mask", 0.8), ("same", 0.1), ("random", 0.1)):
        assert found.count(how) / len(found) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("share", [gaps.SHARE, gaps.BART_SHARE])
def test_spans_cover_the_share_and_none_touches_another(share: float) -> None:
    rng, hidden = Random(0), 0
    for _ in range(1000):
        spans = gaps.choose_spans(40, share, rng)
        assert all(0 <= start < end <= 40 for start, end in spans)
        assert all(end < start for (_, end), (start, _) in pairwise(spans))
        hidden += sum(end - start for start, end in spans)
    assert hidden / 40_000 == pytest.approx(share, abs=0.02)


def test_nothing_is_lost_between_what_is_read_and_what_is_said() -> None:
    sentinels = list(range(900, 920))
    for seed in range(50):
        spans = gaps.choose_spans(40, 0.3, Random(seed))
        ids, labels, text = gaps.drop_spans(WORDS, sentinels, spans)
        said: dict[int, list[int]] = {}
        for id in text:
            if id in sentinels:
                said[id] = []
            else:
                said[list(said)[-1]].append(id)
        assert said[sentinels[len(spans)]] == []
        assert [i for id in ids for i in said.get(id, [id])] == gaps.flat(WORDS)
        assert labels == [said[id][0] if id in said else gaps.IGNORED for id in ids]
        assert gaps.infill(WORDS, 99, spans).text == gaps.flat(WORDS)
        assert gaps.infill(WORDS, 99, spans).labels == labels


@pytest.mark.parametrize("kind", CLASSES)
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    relatives.train(quick(kind, 6), TEXT, tmp_path / "whole", said.append)
    first = quick(kind, 6)

    def stop(line: str) -> None:
        if line.startswith("step 4"):
            raise KeyboardInterrupt

    monkeypatch.setattr(relatives, "EVERY", 2)
    with pytest.raises(KeyboardInterrupt):
        relatives.train(first, TEXT, tmp_path / "halves", stop)
    relatives.train(first, TEXT, tmp_path / "halves", said.append)
    assert said[-2].endswith("from step 4")
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "halves" / name).read_bytes()

    theirs, info = getattr(transformers, CLASSES[kind]).from_pretrained(
        tmp_path / "whole", output_loading_info=True, dtype=torch.float32
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    ours = minigpt.load_relative(tmp_path / "whole", "cpu")
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        wanted = theirs.eval()(ids, **({} if kind == "bert" else {"decoder_input_ids": ids})).logits
        found = ours.model.predict(ours.model(ids)) if kind == "bert" else ours.model(ids, ids)  # type: ignore[union-attr, operator]
    assert (found - wanted).abs().max() < 1e-4
    assert 0 <= score(ours, TEXT, TEXT)["first"] <= 1


def test_gated_t5_is_written_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = T5(T5Config(40, 1, 2, 2, 4, 8, 16, gated=True, tied=False))
    save_relative(model, tmp_path)
    found = minigpt.load_relative(tmp_path, "cpu").model
    for name, value in model.named_parameters():
        assert torch.equal(value, found.get_parameter(name))


def test_passages_are_the_whole_text() -> None:
    sentences = passages.sentences(TEXT)
    assert '"Where is my horse?" said the wolf.' not in sentences
    assert sentences[2:4] == ['"Where is my son?"', "said the king."]
    found = passages.all_passages(sentences)
    assert " ".join(found) == " ".join(sentences)
    assert max(len(text.split()) for text in found) <= passages.N_WORDS


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_the_encoder_is_asked_too(kind: str, tmp_path: Path) -> None:
    """The loss is that of what the encoder should name and that of what the decoder should write, added."""
    own = quick(kind, 1)
    own.train_tokenizer(TEXT).save(tmp_path)
    tok = own.load_tokenizer(tmp_path)
    torch.manual_seed(0)
    model = own.build(tok.n_vocab).eval()
    example = own.task(tok)(TEXT[:200], Random(0))
    ids, asked = torch.tensor([example.ids]), torch.tensor(example.labels) != gaps.IGNORED
    assert asked.any()
    labels, text = torch.tensor(example.labels)[asked], torch.tensor(example.text)
    with torch.no_grad():
        named = model.unembed(model.encode(ids))[0, asked]  # type: ignore[operator, union-attr]
        said = model(ids, torch.tensor([[2, *example.text[:-1]]]))[0]
        wanted = cross_entropy(named, labels) + cross_entropy(said, text)
        assert relatives.loss_of(model, [example], 2).item() == pytest.approx(wanted.item(), rel=1e-5)
