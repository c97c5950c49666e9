"""Train a miniature BERT, T5 or BART on a text: `python -m minigpt.train.relatives bert --text train.txt --out run`.

A run that was stopped goes on where it was when the same command is given again.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minigpt.fast.fused import fused
from minigpt.models.bart import Bart, BartConfig
from minigpt.models.bert import Bert, BertConfig
from minigpt.models.t5 import T5, T5Config
from minigpt.train import gaps
from minigpt.train import passages as cut
from minigpt.train.data import read_text
from minigpt.train.step import TrainSettings, make_optimizer
from tokenizer import Tokenizer
from tokenizer.fetch.atomic import replacing
from tokenizer.unigram import Unigram
from tokenizer.wordpiece import MASK, WordPiece
from weights.relatives_export import save_relative

N_CTX = 64  # tokens of a text, those around it included
STATE = "training.pt"
Model = Bert | T5 | Bart
Task = Callable[[str, Random], gaps.Gaps]  # from a passage to what is read and what is to be said


@dataclass(frozen=True)
class Kind:
    """One of the three: its tokenizer, its model, its task, the ids that its files name."""

    train_tokenizer: Callable[[str], WordPiece | Unigram | Tokenizer]
    load_tokenizer: Callable[[Path], WordPiece | Unigram | Tokenizer]
    build: Callable[[int], Model]
    task: Callable[..., Task]
    special: dict[str, int]
    settings: TrainSettings


def bert_task(tok: WordPiece) -> Task:
    """[CLS] a text with masked words [SEP], and a label for each masked token."""
    words, mask, ordinary = cut.bert_words(tok), tok.vocab[MASK], range(5, tok.n_vocab)

    def task(text: str, rng: Random) -> gaps.Gaps:
        ids, labels = gaps.mask_words(shortened(words(text)), mask, ordinary, rng)
        return gaps.Gaps(tok.wrap(ids)[0], [gaps.IGNORED, *labels, gaps.IGNORED])

    return task


def t5_task(tok: Unigram) -> Task:
    """A text with sentinels for spans and </s>; the spans and </s>."""
    words, end = cut.t5_words(tok), tok.special_tokens["</s>"]
    sentinels = [tok.special_tokens[f"<extra_id_{i}>"] for i in range(cut.SENTINELS)]

    def task(text: str, rng: Random) -> gaps.Gaps:
        found = shortened(words(text))
        spans = gaps.choose_spans(len(found), gaps.SHARE, rng)[: len(sentinels) - 1]
        ids, labels = gaps.drop_spans(found, sentinels, spans)
        return gaps.Gaps([*ids, end], [*labels, end])

    return task


def bart_task(tok: Tokenizer) -> Task:
    """<s> a text with masks for spans </s>; the whole text between the same two."""
    words, (start, _, end, _, mask) = cut.bart_words(tok), tok.special_tokens.values()

    def task(text: str, rng: Random) -> gaps.Gaps:
        found = shortened(words(text))
        ids, labels = gaps.infill(found, mask, gaps.choose_spans(len(found), gaps.BART_SHARE, rng))
        return gaps.Gaps([start, *ids, end], [start, *labels, end])

    return task


def shortened(words: gaps.Words) -> gaps.Words:
    """The first words of a text, as many as fit beside two special tokens.

    >>> len(shortened([[1, 2, 3]] * 40))
    20
    """
    n = 0
    for i, word in enumerate(words):
        n += len(word)
        if n > N_CTX - 2:
            return words[: max(1, i)]
    return words


KINDS = {
    "bert": Kind(
        cut.train_bert_tokenizer,
        WordPiece.load,
        lambda n: Bert(BertConfig(n, N_CTX, 2, 3, 4, 80, 160, has_pooler=False)),
        bert_task,
        {"pad_token_id": 0},
        TrainSettings(steps=2500, batch_size=32, learning_rate=3e-3, warmup=100, weight_decay=0.05),
    ),
    "t5": Kind(
        cut.train_t5_tokenizer,
        Unigram.load,
        lambda n: T5(T5Config(n, 2, 2, 4, 16, 64, 128, n_buckets=16, max_distance=32)),
        t5_task,
        {"decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1},
        TrainSettings(steps=3000, batch_size=32, learning_rate=5e-3, warmup=100, weight_decay=0.01),
    ),
    "bart": Kind(
        cut.train_bart_tokenizer,
        Tokenizer.load,
        lambda n: Bart(BartConfig(n, N_CTX, 2, 1, 4, 64, 128)),
        bart_task,
        {"decoder_start_token_id": 2, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1},
        TrainSettings(steps=2500, batch_size=32, learning_rate=3e-3, warmup=100, weight_decay=0.05),
    ),
}


def batch(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """Rows of ids (B, T), filled up on the right.

    >>> batch([[1, 2], [3]], 0).tolist()
    [[1, 2], [3, 0]]
    """
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=fill)


def loss_of(model: Model, examples: Sequence[gaps.Gaps], start: int = 0) -> Tensor:
    """The mean cross-entropy of what is to be said, in nats per token; `start` is what a decoder starts from."""
    ids, labels = batch([e.ids for e in examples], 0), batch([e.labels for e in examples], gaps.IGNORED)
    mask = batch([[1] * len(e.ids) for e in examples], 0)  # (B, T)
    if isinstance(model, Bert):
        asked = labels != gaps.IGNORED
        return F.cross_entropy(model.predict(model(ids, mask)[asked]), labels[asked])
    before = batch([[start, *e.labels[:-1]] for e in examples], 0)  # (B, T), each label's past
    return F.cross_entropy(model(ids, before, mask).flatten(0, 1), labels.flatten(), ignore_index=gaps.IGNORED)


def train(kind: Kind, text: str, folder: Path, steps: int, say: Callable[[str], object]) -> None:
    """Train to the end of the steps, the state kept in the folder every 200; then write the model there."""
    settings = kind.settings
    if not (folder / STATE).exists():
        kind.train_tokenizer(text.replace("<|endoftext|>", "")).save(folder)
    tok = kind.load_tokenizer(folder)
    torch.manual_seed(settings.seed)
    model = kind.build(tok.n_vocab)
    form = fused(model)  # the same parameters
    optimizer, done = make_optimizer(model, settings), 0
    if (folder / STATE).exists():
        state = torch.load(folder / STATE, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        done = state["step"]
    say(f"{sum(p.numel() for p in model.parameters()):,} parameters, {tok.n_vocab} tokens, from step {done}")
    task, sentences, losses = kind.task(tok), cut.sentences(text), []
    for step in range(done, steps):
        rng = Random(settings.seed * 1_000_003 + step)
        examples = [task(cut.draw_passage(sentences, rng), rng) for _ in range(settings.batch_size)]
        for group in optimizer.param_groups:
            group["lr"] = settings.rate(step)
        loss = loss_of(form, examples, kind.special.get("decoder_start_token_id", 0))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if (step + 1) % 200 == 0 or step + 1 == steps:
            say(f"step {step + 1} of {steps}: loss {sum(losses) / len(losses):.3f}")
            losses.clear()
            with replacing(folder / STATE) as part:
                torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}, part)
    save_relative(model, folder, torch.float16, kind.special)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m minigpt.train.relatives")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--text", required=True, help="a UTF-8 file, its tales separated by <|endoftext|>")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the run and of the model")
    args = parser.parse_args()
    kind = KINDS[args.kind]
    train(kind, read_text(args.text), args.out, kind.settings.steps, lambda line: print(line, file=sys.stderr, flush=True))


if __name__ == "__main__":
    main()
