"""Train a miniature BERT, T5 or BART on a text: `python -m minigpt.train.relatives bert --text train.txt --out run`.

A run that was stopped goes on where it was when the same command is given again.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minigpt.fast.fused import fused
from minigpt.models.bart import Bart, BartConfig
from minigpt.models.bert import Bert, BertConfig
from minigpt.models.t5 import T5, T5Config
from minigpt.relatives import load_relative
from minigpt.train import gap_tasks, gaps
from minigpt.train import passages as cut
from minigpt.train.data import read_text
from minigpt.train.state import load_state, save_state
from minigpt.train.step import TrainSettings, make_optimizer
from tokenizer import Tokenizer
from tokenizer.fetch.atomic import replacing
from tokenizer.unigram import Unigram
from tokenizer.wordpiece import WordPiece
from weights.relatives_export import save_relative

STATE = "training.pt"
EVERY = 200  # steps between two lines of progress; the state is kept then
N_CTX = cut.N_CTX  # tokens
Model = Bert | T5 | Bart


@dataclass(frozen=True)
class Kind:
    """One of the three: its tokenizer, its model, its task, the ids that its files name."""

    train_tokenizer: Callable[[str], WordPiece | Unigram | Tokenizer]
    load_tokenizer: Callable[[Path], WordPiece | Unigram | Tokenizer]
    build: Callable[[int], Model]
    task: Callable[..., gap_tasks.Task]
    special: dict[str, int]
    settings: TrainSettings
    optimizer: Callable[[nn.Module, TrainSettings], torch.optim.Optimizer] = make_optimizer


def adafactor(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """T5's own optimizer: a step is relative to the size of its matrix, and T5's sizes are far apart, 1 and 1 / 8."""
    return torch.optim.Adafactor(model.parameters(), settings.learning_rate)


KINDS = {
    "bert": Kind(
        cut.train_bert_tokenizer,
        WordPiece.load,
        lambda n: Bert(BertConfig(n, N_CTX, 2, 3, 4, 80, 160, has_pooler=False)),
        gap_tasks.bert_task,
        {"pad_token_id": 0},
        TrainSettings(steps=2500, batch_size=32, learning_rate=3e-3, warmup=100, weight_decay=0.05),
    ),
    "t5": Kind(
        cut.train_t5_tokenizer,
        Unigram.load,
        lambda n: T5(T5Config(n, 2, 2, 4, 16, 64, 128, n_buckets=16, max_distance=32)),
        gap_tasks.t5_task,
        {"decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1},
        TrainSettings(steps=6000, batch_size=32, learning_rate=3e-2, warmup=100),
        adafactor,
    ),
    "bart": Kind(
        cut.train_bart_tokenizer,
        Tokenizer.load,
        lambda n: Bart(BartConfig(n, N_CTX, 2, 1, 4, 64, 128)),
        gap_tasks.bart_task,
        {"decoder_start_token_id": 2, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1},
        TrainSettings(steps=10000, batch_size=32, learning_rate=3e-3, warmup=100, weight_decay=0.05),
    ),
}


def batch(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """Rows of ids (B, T), filled up on the right.

    >>> batch([[1, 2], [3]], 0).tolist()
    [[1, 2], [3, 0]]
    """
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=fill)


def loss_of(model: Model, examples: Sequence[gaps.Gaps], start: int = 0) -> Tensor:
    """The mean cross-entropy of what is to be predicted, in nats per token; `start` is what a decoder starts from.

    An encoder that has a decoder also learns BERT's task. The papers do without: at this size a decoder
    that finds nothing in the memory says "the" for every gap, for thousands of steps.
    """
    ids, labels = batch([e.ids for e in examples], 0), batch([e.labels for e in examples], gaps.IGNORED)
    mask, asked = batch([[1] * len(e.ids) for e in examples], 0), labels != gaps.IGNORED  # (B, S) each
    if isinstance(model, Bert):
        return F.cross_entropy(model.predict(model(ids, mask)[asked]), labels[asked])
    memory = model.encode(ids, mask)
    named = F.cross_entropy(model.unembed(memory[asked]), labels[asked])
    text = batch([e.text for e in examples], gaps.IGNORED)  # (B, T)
    before = batch([[start, *e.text[:-1]] for e in examples], 0)  # (B, T), each token's past
    logits = model.unembed(model.decode(before, memory, mask))  # (B, T, V)
    return named + F.cross_entropy(logits.flatten(0, 1), text.flatten(), ignore_index=gaps.IGNORED)


def train(kind: Kind, text: str, folder: Path, say: Callable[[str], object]) -> None:
    """Train to the end of the steps, the state kept in the folder on the way; then write the model there."""
    settings, steps = kind.settings, kind.settings.steps
    if not (folder / STATE).exists():
        kind.train_tokenizer(text.replace("<|endoftext|>", "")).save(folder)
    tok = kind.load_tokenizer(folder)
    torch.manual_seed(settings.seed)
    model = kind.build(tok.n_vocab)
    form = cast(Model, fused(model))  # the same parameters
    optimizer, done = kind.optimizer(model, settings), 0
    if (folder / STATE).exists():
        done = load_state(folder / STATE, model, optimizer)
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
        if (step + 1) % EVERY == 0 or step + 1 == steps:
            with replacing(folder / STATE) as part:
                save_state(model, optimizer, step + 1, part)
            say(f"step {step + 1} of {steps}: loss {sum(losses) / len(losses):.3f}")
            losses.clear()
    save_relative(model, folder, torch.float16, kind.special)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m minigpt.train.relatives")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--text", required=True, help="a UTF-8 file, its tales separated by <|endoftext|>")
    parser.add_argument("--val", help="a file of other tales, to measure the model on at the end")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the run and of the model")
    args = parser.parse_args()
    kind = KINDS[args.kind]
    text = read_text(args.text)
    train(kind, text, args.out, lambda line: print(line, file=sys.stderr, flush=True))
    if args.val:
        from minigpt.train.gap_scores import score

        shares = score(load_relative(args.out, "cpu"), text, read_text(args.val))
        print(", ".join(f"{name} {share:.1%}" for name, share in shares.items()))


if __name__ == "__main__":
    main()
