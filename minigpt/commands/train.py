"""`minigpt train`: a tokenizer and a model on a text of one's own, with a progress bar on stderr."""

import argparse
import sys

import torch
from tqdm import tqdm

import tokenizer
from minigpt.commands.common import note, note_fetch, stop_requested
from minigpt.commands.flags import UsageError
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.train.checkpoint import resume
from minigpt.train.data import Texts, check_length, hold_out, read_text, split_documents
from minigpt.train.run import run as train
from minigpt.train.trainer import Trainer, TrainSettings, fast_precision
from tokenizer import Tokenizer
from weights import load_checkpoint
from weights.devices import pick_device

Run = tuple[Trainer, Tokenizer, Texts, list[dict[str, float]]]


def run(args: argparse.Namespace) -> int:
    """Train, with a progress bar on stderr, and say where the model is."""
    if args.n_embd % args.n_head and not (args.resume or args.finetune):
        raise UsageError(f"--n-embd {args.n_embd} does not divide into --n-head {args.n_head}: choose a multiple of it")
    for file in filter(None, (args.text, args.val)):
        if not file.is_file():
            raise ValueError(f"there is no file {file}: name a text of your own, the longer the better")
    trainer, tok, texts, log = continue_run(args) if args.resume else start_run(args)
    settings = trainer.settings
    n_parameters = sum(p.numel() for p in trainer.model.parameters())
    note(
        f"{n_parameters:,} parameters; {len(texts.train):,} tokens to train on, {len(texts.validation):,} to validate; "
        f"{settings.steps} steps of {settings.batch_size} x {settings.block_size} tokens in {settings.precision}"
    )
    bar = tqdm(total=settings.steps, initial=trainer.step, unit="step", desc="training", smoothing=0.05)
    steps = train(trainer, tok, texts, args.out, log, args.evaluate_every)
    with stop_requested() as stopping:
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
    bar.close()
    if trainer.step < settings.steps:
        note(f"stopped and saved at step {trainer.step}; the same command with --resume goes on")
        return 130
    note(f'the best model is in {args.out}: minigpt generate "…" -m {args.out}')
    return 0


def start_run(args: argparse.Namespace) -> Run:
    """A new run: the texts read, the tokenizer trained and saved, the model made or loaded."""
    if (args.out / "training.pt").exists():
        raise ValueError(f"{args.out} holds a run already: --resume goes on with it, --out names another folder")
    if args.finetune:
        note_fetch(args.finetune)
    device = pick_device(args.device)
    base = load_checkpoint(args.finetune, device, "float32") if args.finetune else None
    n_ctx = base.model.config.n_ctx if base is not None else None
    block_size = min(128, n_ctx or 128) if args.block_size is None else args.block_size
    if n_ctx is not None and block_size > n_ctx:
        raise ValueError(f"--block-size {block_size} exceeds the {n_ctx} positions of {args.finetune}: give less")
    usual_rate = 1e-4 if args.finetune else 1e-3
    settings = TrainSettings(
        steps=args.steps,
        batch_size=args.batch_size,
        block_size=block_size,
        learning_rate=usual_rate if args.learning_rate is None else args.learning_rate,
        warmup=args.warmup,
        precision=fast_precision(device) if args.precision == "auto" else args.precision,
        compile=args.compile,
        seed=args.seed,
    )
    train_text, validation_text = read_texts(args)
    if base is not None:
        model, tok = base.model, base.tokenizer
        if tok is None:
            raise ValueError(f"{args.finetune} has no vocabulary: a text cannot be encoded for it")
    else:
        usual_size = min(4096, max(512, len(train_text) // 250))
        tok = tokenizer.train(split_documents(train_text), args.vocab_size or usual_size, plain=args.plain)
        torch.manual_seed(settings.seed % 2**63)  # for the first weights
        config = GPT2Config(
            vocab_size=tok.n_vocab,
            n_ctx=settings.block_size,
            n_layer=args.n_layer,
            n_head=args.n_head,
            n_embd=args.n_embd,
            dropout=args.dropout,
        )
        model = GPT2(config).to(device)
    texts = Texts.of(train_text, validation_text, tok)
    check_length(texts.train, settings.block_size)
    args.out.mkdir(parents=True, exist_ok=True)
    tok.save(args.out)
    return Trainer(model, settings, args.plain), tok, texts, []


def continue_run(args: argparse.Namespace) -> Run:
    """A run as it was saved; the text is read anew."""
    trainer, log = resume(args.out, pick_device(args.device))
    trainer.plain = args.plain
    tok = Tokenizer.load(args.out, plain=args.plain)
    return trainer, tok, Texts.of(*read_texts(args), tok), log


def read_texts(args: argparse.Namespace) -> tuple[str, str]:
    """The texts to train on and to validate on; the second is the first one's end where no file was named."""
    text = read_text(args.text, args.encoding)
    return (text, read_text(args.val, args.encoding)) if args.val else hold_out(text)
