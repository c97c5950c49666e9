"""`minigpt train`: a tokenizer and a model on a text of one's own, with a progress bar on stderr."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from tqdm import tqdm

from minigpt import terminal
from minigpt.cli import reason
from minigpt.commands.common import note, stop_requested
from minigpt.commands.train_begin import Run, continue_run, start_run
from minigpt.train import processes
from minigpt.train.answers import Chats
from minigpt.train.card import write_curves
from minigpt.train.checkpoint import check_space
from minigpt.train.data import Texts
from minigpt.train.new import n_parameters
from minigpt.train.run import Progress, overfits
from minigpt.train.run import run as train
from minigpt.train.trainer import Trainer
from tokenizer.fetch.atomic import exclusive


def run(args: argparse.Namespace) -> int:
    """Train, with a progress bar on stderr, and say where the model is."""
    for file in [*(args.text or ()), *(args.val or ()), *([args.chat] if args.chat else ())]:
        if str(file) != "-" and not file.exists():
            raise ValueError(f"there is no file {file}: name a text of your own, the longer the better")
    with processes.together(args.device) as device, by_name(), hold(args.out):
        processes.wait()  # the first one has made the folder, and completed what a killed writer left
        tell = note if processes.rank() == 0 else silent
        begun = continue_run(args, device, tell) if args.resume else start_run(args, device, tell)
        return train_in_folder(args, begun)


def hold(folder: Path) -> AbstractContextManager[None]:
    """Holds the folder for the processes that train together: the first one writes."""
    return exclusive(folder) if processes.rank() == 0 else nullcontext()


@contextmanager
def by_name() -> Iterator[None]:
    """Errors in processes other than the first name the process."""
    try:
        yield
    except (ValueError, OSError) as error:
        if processes.rank() == 0:
            raise
        raise ValueError(f"process {processes.rank() + 1} of {processes.count()}: {reason(error)}") from None


def silent(_: str) -> None:
    """What processes other than the first print: nothing."""


def train_in_folder(args: argparse.Namespace, begun: Run) -> int:
    """Train in the folder, which no other process writes to."""
    trainer, tok, texts, log, record = begun
    first, settings = processes.rank() == 0, trainer.settings
    every, patience = int(str(record.asked["evaluate_every"])), int(str(record.asked.get("patience") or 0))
    if first:
        announce(args.out, trainer, texts, every)
    row = texts.train.mean_length if isinstance(texts.train, Chats) else settings.block_size
    steps = train(trainer, tok, texts, args.out, log, every, record, patience)
    bar = tqdm(
        total=settings.steps, initial=trainer.step, unit="step", desc="training", smoothing=0.05, disable=not first
    )
    with bar, stop_requested() as stopping:
        signal = 0
        for progress in steps:
            if first:
                show(bar, progress, settings.batch_size * row)
            signal = int(processes.most(stopping()))
            if signal:
                break
        steps.close()  # saves the run's state
        signal = signal or stopping()
    if first:
        keep_curves(args)
    if overfits(log, patience):
        best = min(log, key=lambda entry: entry["validation"])["step"]
        why = f"{patience} evaluations were no better than the one after step {best:.0f}, the model overfits"
        told(first, f"stopped at step {trainer.step}: {why} (--resume --patience N goes on)")
        return told(first, found(args.out, record.asked.get("chat")))
    if trainer.step < settings.steps:
        told(first, f"stopped and saved at step {trainer.step}; the same command with --resume goes on")
        return 128 + signal
    return told(first, found(args.out, record.asked.get("chat")))


def announce(folder: Path, trainer: Trainer, texts: Texts, every: int) -> None:
    """Says what is trained on what; an OSError where the disk has no room for it."""
    settings, n = trainer.settings, n_parameters(trainer.model)
    n_learning = sum(weight.numel() for weight in trainer.model.parameters() if weight.requires_grad)
    learning = "" if n_learning == n else f" ({n_learning:,} learn)"
    read = f"{len(texts.train):,} tokens to train on, {len(texts.validation):,} to validate"
    batch = f"{settings.batch_size} x {settings.block_size} tokens in {settings.precision}"
    note(f"{n:,} parameters{learning}; {read}; {settings.steps} steps of {batch}")
    warning = check_space(folder, trainer) if trainer.step < settings.steps else ""
    if warning and settings.steps - trainer.step > every:
        note(warning)


def told(first: bool, text: str) -> int:
    """Says it where this is the first process; the exit code of what went well."""
    if first:
        note(text)
    return 0


def found(folder: Path, chats: object) -> str:
    """Where the model is."""
    use = "chat" if chats else 'generate "…"'
    return f"the best model is in {folder}: minigpt {use} -m {folder}"


def show(bar: "tqdm[None]", progress: Progress, n_tokens: int) -> None:
    """A step on the bar, and an evaluation above it with what the model writes."""
    speed = (bar.format_dict["rate"] or 0) * n_tokens
    bar.set_postfix_str(f"loss={progress.loss:.3f}, {speed:,.0f} tokens/s", refresh=False)
    bar.update()
    if progress.scores:
        validation = f"{progress.scores.loss:.3f} = {progress.scores.bits_per_byte:.3f} bits per byte"
        kept = ", the best so far" if progress.best else ""
        bar.write(f"step {progress.step}: loss {progress.loss:.3f}, validation loss {validation}{kept}", sys.stderr)
        sample = " ".join(progress.sample.split())
        for line in terminal.wrap(sample, max(20, terminal.columns() - 2)) if sample else ():
            bar.write(f"  {line}".rstrip(), sys.stderr)


def keep_curves(args: argparse.Namespace) -> None:
    """The losses as a table and a picture; one line where there can be no picture."""
    try:
        write_curves(args.out)
    except ImportError as error:
        note(f"no picture of the losses ({error}); {args.out / 'training.csv'} has them")
    except FileNotFoundError:  # stopped before there was a log
        pass
