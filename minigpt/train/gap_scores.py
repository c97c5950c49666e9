"""How well a miniature fills gaps in texts that it has not seen, against saying the most frequent word everywhere."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import torch

from minigpt.relatives.encoder import Encoder
from minigpt.relatives.seq2seq import Seq2Seq
from minigpt.train import passages as cut
from tokenizer.unigram import Unigram
from tokenizer.wordpiece import MASK, split_words

Scores = dict[str, float]  # shares, from 0 to 1
N_WRITTEN = 300  # passages, at most, that a BART or T5 writes about


def score(model: Encoder | Seq2Seq, train: str, held_out: str) -> Scores:
    """The shares of gaps of one word that were filled as the text had it, in every passage of `held_out` one gap, and
    beside them the score of `train`'s most frequent words: `baseline` and, where there is a top 5, `baseline 5`."""
    passages = cut.all_passages(cut.sentences(held_out))
    if isinstance(model, Encoder):
        return score_bert(model, train, passages)
    return score_writer(model, train, passages[:: 1 + len(passages) // N_WRITTEN])


@torch.inference_mode()
def score_bert(model: Encoder, train: str, passages: Sequence[str]) -> Scores:
    """One masked word of letters in each passage: was it the first, was it among the first five?"""
    rng, first, five, usual_first, usual_five, n = Random(0), 0, 0, 0, 0, 0
    usual = [word for word, _ in Counter(filter(str.isalpha, split_words(train))).most_common(5)]
    words_of, tok = cut.bert_words(model.tokenizer), model.tokenizer
    for passage in passages:
        words, ids = split_words(passage), words_of(passage)
        whole = [i for i, (word, own) in enumerate(zip(words, ids, strict=True)) if word.isalpha() and len(own) == 1]
        if not whole or sum(map(len, ids)) > model.model.config.n_ctx - 2:
            continue
        chosen = rng.choice(whole)
        row, _ = tok.wrap([id for i, own in enumerate(ids) for id in ([tok.vocab[MASK]] if i == chosen else own)])
        at = row.index(tok.vocab[MASK])
        best = model.model.predict(model.model(torch.tensor([row]))[0, at]).topk(5).indices.tolist()
        answer = ids[chosen][0]
        first, five, n = first + (best[0] == answer), five + (answer in best), n + 1
        usual_first, usual_five = usual_first + (words[chosen] == usual[0]), usual_five + (words[chosen] in usual)
    return {"first": first / n, "first five": five / n, "baseline": usual_first / n, "baseline five": usual_five / n}


def score_writer(model: Seq2Seq, train: str, passages: Sequence[str]) -> Scores:
    """One word of letters left out in each passage, written greedily: is it the original word? For a BART,
    which writes the whole text, also: is all the rest unchanged?"""
    rng, filled, kept, usual, n = Random(0), 0, 0, 0, 0
    tok = model.tokenizer
    assert tok is not None
    most = Counter(filter(str.isalpha, train.split())).most_common(1)[0][0]
    for passage in passages:
        words = passage.split()
        whole = [i for i, word in enumerate(words) if word.isalpha()]
        if not whole:
            continue
        at = rng.choice(whole)
        gap = "<extra_id_0>" if isinstance(tok, Unigram) else "<mask>"
        text = " ".join([*words[:at], gap, *words[at + 1 :]])
        ids = [*model.before, *tok.encode(text, allow_special="all"), *model.after]
        if len(ids) > cut.N_CTX:
            continue
        usual, n = usual + (words[at] == most), n + 1
        found = model.generate(ids, max_new_tokens=8 if isinstance(tok, Unigram) else cut.N_CTX - 1)
        if isinstance(tok, Unigram):
            filled += fillings(tok, found.ids)[0] == words[at]
            continue
        written = found.text.split()
        filled += written[at : at + 1] == [words[at]]
        kept += written[:at] + written[at + 1 :] == words[:at] + words[at + 1 :]
    scores = {"first": filled / n, "baseline": usual / n}
    return scores if isinstance(tok, Unigram) else scores | {"rest as it was": kept / n}


def fillings(tok: Unigram, ids: Sequence[int]) -> list[str]:
    """What a T5 has written for each gap of a text, from the ids that it wrote: the texts after its sentinels.

    >>> from tokenizer.unigram_training import as_t5, train_unigram
    >>> tok = as_t5(train_unigram("a a b", 4), 2)
    >>> fillings(tok, tok.encode("<extra_id_0> a <extra_id_1>", "all"))
    ['a', '']
    """
    gaps: list[list[int]] = []
    for id in ids:
        if tok.tokens[id].startswith("<extra_id_"):
            gaps.append([])
        elif gaps and id not in tok.special_tokens.values():
            gaps[-1].append(id)
    return [tok.decode(gap) for gap in gaps] or [""]
