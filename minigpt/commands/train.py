"""Train a tokenizer and a GPT-2 on a text of your own, or go on training a checkpoint with --finetune."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minigpt.train.data import Texts
    from minigpt.train.trainer import Trainer
    from tokenizer import Tokenizer

    Run = tuple[Trainer, Tokenizer, Texts, list[dict[str, float]]]

HELP = "train a tokenizer and a model on your own text"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `minigpt train`."""
    add = parser.add_argument
    add(
        "--text", type=Path, required=True, metavar="FILE", help="what to learn from; <|endoftext|> separates documents"
    )
    add("--val", type=Path, metavar="FILE", help="unseen text to test on (default: the last 5%% of the text)")
    add("--encoding", default="utf-8", help="the files' encoding (default: %(default)s)")
    add("--out", type=Path, default=Path("runs/model"), metavar="FOLDER", help="default: %(default)s")
    add("--resume", action="store_true", help="go on with the run in the --out folder, by its own settings")
    add("--finetune", metavar="MODEL", help="start from this model and its tokenizer instead of from nothing")
    size = parser.add_argument_group("size of a new model")
    size.add_argument("--vocab-size", type=int, metavar="N", help="tokens (default: by the text's length, 512 to 4096)")
    size.add_argument("--n-layer", type=int, default=4, metavar="N", help="blocks (default: %(default)s)")
    size.add_argument("--n-head", type=int, default=4, metavar="N", help="attention heads (default: %(default)s)")
    size.add_argument("--n-embd", type=int, default=128, metavar="N", help="channels (default: %(default)s)")
    size.add_argument("--dropout", type=float, default=0.1, metavar="P", help="default: %(default)s")
    steps = parser.add_argument_group("training")
    steps.add_argument("--steps", type=int, default=1000, metavar="N", help="default: %(default)s")
    steps.add_argument("--batch-size", type=int, default=16, metavar="N", help="blocks a step (default: %(default)s)")
    steps.add_argument("--block-size", type=int, metavar="N", help="tokens a block (default: 128)")
    steps.add_argument("--learning-rate", type=float, metavar="R", help="peak (default: 1e-3, with --finetune 1e-4)")
    steps.add_argument("--warmup", type=int, default=100, metavar="N", help="steps (default: %(default)s)")
    steps.add_argument("--evaluate-every", type=int, default=100, metavar="N", help="steps (default: %(default)s)")
    steps.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    steps.add_argument("--compile", action="store_true", help="fuse the step with torch.compile; needs a C++ compiler")
    steps.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    steps.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Train, with a progress bar on stderr, and say where the model is."""
    from tqdm import tqdm

    from minigpt.train.run import run as train

    if args.evaluate_every < 1:
        raise ValueError(f"--evaluate-every must be at least 1, not {args.evaluate_every}")
    trainer, tokenizer, texts, log = continue_run(args) if args.resume else start_run(args)
    settings = trainer.settings
    n_parameters = sum(p.numel() for p in trainer.model.parameters())
    print(
        f"{n_parameters:,} parameters; {len(texts.train):,} tokens to train on, {len(texts.validation):,} to validate; "
        f"{settings.steps} steps of {settings.batch_size} x {settings.block_size} tokens in {settings.precision}",
        file=sys.stderr,
    )
    bar = tqdm(total=settings.steps, initial=trainer.step, unit="step", desc="training", smoothing=0.05)
    try:
        for progress in train(trainer, tokenizer, texts, args.out, log, args.evaluate_every):
            bar.set_postfix(loss=f"{progress.loss:.3f}", refresh=False)
            bar.update()
            if progress.scores:
                unseen = f"unseen text {progress.scores.loss:.3f} = {progress.scores.bits_per_byte:.3f} bits per byte"
                kept = ", the best so far" if progress.best else ""
                bar.write(f"step {progress.step}: loss {progress.loss:.3f}, {unseen}{kept}", file=sys.stderr)
    except KeyboardInterrupt:
        bar.close()
        print(f"stopped and saved at step {trainer.step}; the same command with --resume goes on", file=sys.stderr)
        return 130
    bar.close()
    print(f'the best model is in {args.out}: minigpt generate "…" -m {args.out}', file=sys.stderr)
    return 0


def start_run(args: argparse.Namespace) -> "Run":
    """A new run: the texts read, the tokenizer trained and saved, the model made or loaded."""
    import torch

    import tokenizer
    from minigpt.models.config import GPT2Config
    from minigpt.models.gpt2 import GPT2
    from minigpt.train.data import Texts, check_length, split_documents
    from minigpt.train.trainer import Trainer, TrainSettings, fast_precision
    from weights import load_checkpoint
    from weights.devices import pick_device

    if (args.out / "training.pt").exists():
        raise ValueError(f"{args.out} holds a run already: --resume goes on with it, --out names another folder")
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
    learn, unseen = read_texts(args)
    if base is not None:
        model, tok = base.model, base.tokenizer
        if tok is None:
            raise ValueError(f"{args.finetune} has no vocabulary: a text cannot be encoded for it")
    else:
        usual_size = min(4096, max(512, len(learn) // 250))
        tok = tokenizer.train(split_documents(learn), usual_size if args.vocab_size is None else args.vocab_size)
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
    texts = Texts.of(learn, unseen, tok)
    check_length(texts.train, settings.block_size)
    args.out.mkdir(parents=True, exist_ok=True)
    tok.save(args.out)
    return Trainer(model, settings), tok, texts, []


def continue_run(args: argparse.Namespace) -> "Run":
    """A run as it was saved; the text is read anew."""
    from minigpt.train.checkpoint import resume
    from minigpt.train.data import Texts
    from tokenizer import Tokenizer
    from weights.devices import pick_device

    trainer, log = resume(args.out, pick_device(args.device))
    tok = Tokenizer.load(args.out)
    return trainer, tok, Texts.of(*read_texts(args), tok), log


def read_texts(args: argparse.Namespace) -> tuple[str, str]:
    """The text to learn from and the unseen one, which is the first one's end where no file was named."""
    from minigpt.train.data import hold_out, read_text

    text = read_text(args.text, args.encoding)
    return (text, read_text(args.val, args.encoding)) if args.val else hold_out(text)
