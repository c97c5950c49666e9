"""From a passage to what a BERT, T5 or BART reads and what it has to predict, with the tokens around both."""

from collections.abc import Callable
from random import Random

from minigpt.train import gaps
from minigpt.train import passages as cut
from tokenizer import Tokenizer
from tokenizer.unigram import Unigram
from tokenizer.wordpiece import MASK, WordPiece

Task = Callable[[str, Random], gaps.Gaps]
PIECES = 2  # of a word that a T5 or BART is asked for, at most


def bert_task(tok: WordPiece) -> Task:
    """[CLS] a text with masked words [SEP], and a label for each masked token."""
    words, mask, ordinary = cut.bert_words(tok), tok.vocab[MASK], range(5, tok.n_vocab)

    def task(text: str, rng: Random) -> gaps.Gaps:
        ids, labels, _ = gaps.mask_words(shortened(words(text)), mask, ordinary, rng)
        return gaps.Gaps(tok.wrap(ids)[0], [gaps.IGNORED, *labels, gaps.IGNORED])

    return task


def t5_task(tok: Unigram) -> Task:
    """A text with sentinels for spans and </s>; the spans and </s>."""
    words, end = cut.t5_words(tok), tok.special_tokens["</s>"]
    sentinels = [tok.special_tokens[f"<extra_id_{i}>"] for i in range(cut.SENTINELS)]

    def task(text: str, rng: Random) -> gaps.Gaps:
        found = shortened(words(text))
        spans = easy(found, gaps.SHARE, rng)[: len(sentinels) - 1]
        ids, labels, written = gaps.drop_spans(found, sentinels, spans)
        return gaps.Gaps([*ids, end], [*labels, gaps.IGNORED], [*written, end])

    return task


def bart_task(tok: Tokenizer) -> Task:
    """<s> a text with masks for spans </s>; the whole text between the same two."""
    words, (start, _, end, _, mask) = cut.bart_words(tok), tok.special_tokens.values()

    def task(text: str, rng: Random) -> gaps.Gaps:
        found = shortened(words(text))
        spans = easy(found, gaps.BART_SHARE, rng)
        ids, labels, written = gaps.infill(found, mask, spans)
        return gaps.Gaps([start, *ids, end], [gaps.IGNORED, *labels, gaps.IGNORED], [start, *written, end])

    return task


def easy(words: gaps.Words, share: float, rng: Random) -> list[tuple[int, int]]:
    """Spans to be hidden, without words that the vocabulary must spell: a model this small would learn to spell, and
    little else.

    >>> easy([[1], [2, 3, 4]], 0.9, Random(0))
    [(0, 1)]
    """
    known = [i for i, word in enumerate(words) if len(word) <= PIECES] or range(len(words))
    spans = [span for span in gaps.choose_spans(len(words), share, rng) if all(i in known for i in range(*span))]
    start = rng.choice(known)
    return spans or [(start, start + 1)]


def shortened(words: gaps.Words) -> gaps.Words:
    """The first words of a text, as many as fit beside two special tokens.

    >>> len(shortened([[1, 2, 3]] * 40))
    20
    """
    n = 0
    for i, word in enumerate(words):
        n += len(word)
        if n > cut.N_CTX - 2:
            return words[: max(1, i)]
    return words
