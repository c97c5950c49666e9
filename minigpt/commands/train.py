"""`minigpt train`: a tokenizer and a model on a text of one's own, with a progress bar on stderr."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import tokenizer
from minigpt.commands.common import note, stop_requested
from minigpt.commands.train_flags import TRAIN_DEFAULTS
from minigpt.commands.train_tuning import load_base, read_chat_files, with_template
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.train.checkpoint import FILE, RunRecord, check_space, companions_of, load_run
from minigpt.train.data import Texts, check_length, hold_out, read_text, sha256_of, split_documents
from minigpt.train.run import run as train
from minigpt.train.state import restore_optimizer
from minigpt.train.trainer import Trainer, TrainSettings, fast_precision
from minigpt.train.tuning import prepare
from tokenizer import Tokenizer
from tokenizer.fetch.atomic import exclusive
from weights.devices import pick_device
from weights.export import MODEL_FILES

Run = tuple[Trainer, Tokenizer, Texts, list[dict[str, float]], RunRecord]
MAY_CHANGE = (  # by --resume
    *("steps", "learning_rate", "evaluate_every", "accumulate", "precision", "compile", "device", "plain"),
)
FILES = ("text", "chat", "val")
BY_HASH = (*FILES, "encoding")  # compared by what is in the files, not by their names


def run(args: argparse.Namespace) -> int:
    """Train, with a progress bar on stderr, and say where the model is."""
    for file in filter(None, (args.text, args.chat, args.val)):
        if not file.exists():
            raise ValueError(f"there is no file {file}: name a text of your own, the longer the better")
    with exclusive(args.out):
        return train_in_folder(args)


def train_in_folder(args: argparse.Namespace) -> int:
    """Train in the folder, which no other process writes to."""
    trainer, tok, texts, log, record = continue_run(args) if args.resume else start_run(args)
    settings, every = trainer.settings, int(str(record.asked["evaluate_every"]))
    sizes = [(p.numel(), p.requires_grad) for p in trainer.model.parameters()]
    learning = "" if all(learns for _, learns in sizes) else f" ({sum(n for n, learns in sizes if learns):,} learn)"
    note(
        f"{sum(n for n, _ in sizes):,} parameters{learning}; "
        f"{len(texts.train):,} tokens to train on, {len(texts.validation):,} to validate; "
        f"{settings.steps} steps of {settings.batch_size} x {settings.block_size} tokens in {settings.precision}"
    )
    if trainer.step < settings.steps:
        warning = check_space(args.out, trainer)
        if warning and settings.steps - trainer.step > every:
            note(warning)
    steps = train(trainer, tok, texts, args.out, log, every, record)
    bar = tqdm(total=settings.steps, initial=trainer.step, unit="step", desc="training", smoothing=0.05)
    with bar, stop_requested() as stopping:
        for progress in steps:
            bar.set_postfix(loss=f"{progress.loss:.3f}", refresh=False)
            bar.update()
            if progress.scores:
                validation = f"{progress.scores.loss:.3f} = {progress.scores.bits_per_byte:.3f} bits per byte"
                kept = ", the best so far" if progress.best else ""
                bar.write(
                    f"step {progress.step}: loss {progress.loss:.3f}, validation loss {validation}{kept}", sys.stderr
                )
            if stopping():
                break
        steps.close()  # saves the run's state
        signal = stopping()
    if trainer.step < settings.steps:
        note(f"stopped and saved at step {trainer.step}; the same command with --resume goes on")
        return 128 + signal
    use = "chat" if record.asked.get("chat") else 'generate "…"'
    note(f"the best model is in {args.out}: minigpt {use} -m {args.out}")
    return 0


def start_run(args: argparse.Namespace) -> Run:
    """A new run: the texts read, the tokenizer trained, the model made or loaded; nothing is written yet."""
    if (args.out / FILE).exists():
        raise ValueError(f"{args.out} holds a run already: --resume goes on with it, --out names another folder")
    base = load_base(args) if args.finetune else None
    asked: dict[str, Any] = {
        name: TRAIN_DEFAULTS.get(name) if value is None else value for name, value in flags_of(args).items()
    }
    device = pick_device(asked["device"])
    if asked["block_size"] is None:
        usual = 512 if asked["chat"] else 128
        asked["block_size"] = min(usual, base.model.config.n_ctx) if base else usual
    if base and asked["block_size"] > base.model.config.n_ctx:
        held = f"the {base.model.config.n_ctx} positions of {args.finetune}"
        raise ValueError(f"--block-size {asked['block_size']} exceeds {held}: give less")
    if asked["learning_rate"] is None:
        asked["learning_rate"] = 1e-4 if base and not asked["lora"] else 1e-3
    if asked["precision"] == "auto":
        asked["precision"] = fast_precision(device)
    settings = settings_of(asked, TrainSettings())
    files = [*filter(None, (args.chat or args.text, args.val))]
    train_text, validation_text, hashes = ("", "", ()) if args.chat else read_texts(files, asked["encoding"])
    if base:
        model, tok = base.model, base.tokenizer
        if tok is None:
            raise ValueError(f"{args.finetune} has no vocabulary: a text cannot be encoded for it")
        prepare(model, asked)
    else:
        usual_size = min(4096, max(512, len(train_text) // 250))
        tok = tokenizer.train(split_documents(train_text), asked["vocab_size"] or usual_size, plain=asked["plain"])
        torch.manual_seed(settings.seed % 2**63)  # for the first weights
        sizes = {name: asked[name] for name in ("n_layer", "n_head", "n_embd", "dropout")}
        model = GPT2(GPT2Config(vocab_size=tok.n_vocab, n_ctx=settings.block_size, **sizes)).to(device)
        asked["vocab_size"] = asked["vocab_size"] or tok.n_vocab
    record = RunRecord(asked, hashes, companions_of(tok, base))
    if args.chat:
        record = with_template(record, tok)
        texts, hashes = read_chat_files(files, record, tok)
        record = replace(record, texts=hashes)
    else:
        texts = Texts.of(train_text, validation_text, tok)
        check_length(texts.train, settings.block_size)  # type: ignore[arg-type]
    if any(file for pattern in ("config.json", *MODEL_FILES) for file in args.out.glob(pattern)):
        note(f"{args.out} holds a model: it stays until the first one of this run is whole, and is then replaced")
    return Trainer(model, settings, asked["plain"]), tok, texts, [], record


def continue_run(args: argparse.Namespace) -> Run:
    """A run as it was saved, with the flags that may change; a ValueError names one that may not, or another text."""
    saved, log, record = load_run(args.out, args.device)
    if not record.asked or not record.companions:
        raise ValueError(f"{args.out / FILE} does not say how its run was begun: begin another one with --out")
    given = {name: value for name, value in flags_of(args).items() if value is not None and name not in BY_HASH}
    for name, value in given.items():
        if name not in MAY_CHANGE and value != record.asked.get(name):
            begun = "without it" if record.asked.get(name) is None else f"with {record.asked[name]}"
            flag = f"--{name.replace('_', '-')} {value}"
            raise ValueError(f"{flag}: the run in {args.out} was begun {begun}; leave it out, or begin another run")
    if given.get("precision") == "auto":
        given["precision"] = fast_precision(saved.device)
    asked: dict[str, Any] = record.asked | given
    if asked["steps"] < saved.step:
        raise ValueError(f"--steps {asked['steps']}: the run in {args.out} has done {saved.step} steps: give more")
    kind, other = ("chat", "text") if asked.get("chat") else ("text", "chat")
    if getattr(args, other):
        refused = f"--{other} {getattr(args, other)} is not wanted"
        raise ValueError(
            f"{refused}, the run in {args.out} was begun with --{kind}: leave it out, or begin another run"
        )
    named = [(f"--{name}", getattr(args, name) or asked[name]) for name in (kind, "val")]
    files = {flag: Path(str(file)) for flag, file in named if file}
    tok, encoding = record.tokenizer(asked["plain"]), args.encoding or asked["encoding"]
    if kind == "chat":
        texts, hashes = read_chat_files([*files.values()], replace(record, asked=asked | {"encoding": encoding}), tok)
    else:
        train_text, validation_text, hashes = read_texts([*files.values()], encoding)
        texts = Texts.of(train_text, validation_text, tok)
    for (flag, file), found, begun in zip(files.items(), hashes, (*record.texts, ""), strict=False):
        if found != begun:
            what = "what the run was begun with, by its SHA-256" if begun else "wanted, its run was begun without"
            raise ValueError(f"{flag} {file} is not {what} ({args.out}): name that text, or begin another run")
    trainer = Trainer(saved.model, settings_of(asked, saved.settings), asked["plain"])
    trainer.step = saved.step
    restore_optimizer(trainer.optimizer, saved.optimizer.state_dict())
    return trainer, tok, texts, log, replace(record, asked=asked)


def flags_of(args: argparse.Namespace) -> dict[str, Any]:
    """What the run is asked for, by the flags' Python names; None where a flag was not given."""
    values = {name: value for name, value in vars(args).items() if name not in ("out", "resume", "check")}
    return values | {name: value and str(value.resolve()) for name, value in values.items() if name in FILES}


def settings_of(asked: dict[str, Any], settings: TrainSettings) -> TrainSettings:
    """The settings with what was asked for."""
    return replace(settings, **{name: value for name, value in asked.items() if name in vars(settings)})


def read_texts(files: Sequence[Path], encoding: str) -> tuple[str, str, tuple[str, ...]]:
    """The texts to train on and to validate on, and the SHA-256 of each file's text.

    The second text is the first one's end where one file was named.
    """
    both = [read_text(file, encoding) for file in files]
    train_text, validation_text = both if both[1:] else hold_out(both[0])
    return train_text, validation_text, tuple(map(sha256_of, both))
