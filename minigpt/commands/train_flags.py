"""The flags of `minigpt train`, a page of their own: what is not given is None, so that a resumed run keeps its own."""

from __future__ import annotations

import argparse

from minigpt.commands import flags
from minigpt.commands.train_tuning_flags import add_tuning, check_tuning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TRAIN_DEFAULTS: dict[str, Any] = {  # of a new run; one that is resumed has its own
    "encoding": "utf-8",
    "dropout": 0.2,
    "batch_size": 16,
    "accumulate": 1,
    "optimizer": "adamw",
    "patience": 5,
    "precision": "auto",
    "compile": False,
    "seed": 0,
    "device": "auto",
    "plain": False,
}
CHOSEN = ("vocab_size", "n_layer", "n_head", "n_embd")  # of a new model, by its text
MAY_CHANGE = (  # by --resume
    *("steps", "learning_rate", "evaluate_every", "patience", "accumulate", "precision", "compile", "device", "plain"),
)


def train(parser: argparse.ArgumentParser) -> None:
    """Train a tokenizer and a GPT-2 on a text of your own, or continue from a checkpoint with --finetune. What is not
    given is chosen by the amount of text and the minutes; one line on stderr says what. Several processes train
    together by `torchrun --nproc-per-node N -m minigpt train …`."""
    add_files(parser)
    add_tuning(parser)
    add_sizes(parser.add_argument_group("size of a new model (default: by the amount of text)"))
    add_training(parser.add_argument_group("training"))
    flags.add_device(parser, dtype=False)
    flags.add_plain(parser)
    parser.set_defaults(compile=None, device=None, plain=None, check=check_train)  # None: not given


def add_files(parser: argparse.ArgumentParser) -> None:
    """What is read and written."""
    add = parser.add_argument
    what = "what to train on: files, folders of .txt and .md, - for standard input; <|endoftext|> separates documents"
    add("--text", type=flags.path, action="extend", nargs="+", metavar="FILE", help=what)
    usual_val = "validation text, as many as you like (default: the last 5%% of the text)"
    add("--val", type=flags.path, action="extend", nargs="+", metavar="FILE", help=usual_val)
    add("--encoding", type=flags.encoding, help=f"the files' encoding ({usual('encoding')})")
    add("--out", type=flags.path, default="runs/model", metavar="FOLDER", help="default: %(default)s")
    resume = "go on with the run in the --out folder by its own settings; --steps N gives it more, on the curve of the "
    resume += f"learning rate for N; {', '.join(flag(name) for name in MAY_CHANGE[:-1])} and --plain may be given anew"
    add("--resume", action="store_true", help=resume)
    known = "gpt2, storyteller, char (single characters), a folder or a file (default: one is trained on the text)"
    add("--tokenizer", metavar="NAME", help=known)


def add_sizes(group: argparse._ArgumentGroup) -> None:
    """How large a new model is."""
    whole, add = flags.at_least, group.add_argument
    add("--vocab-size", type=whole(257), metavar="N", help="tokens, from 512 to 4096")
    add("--n-layer", type=whole(1), metavar="N", help="blocks")
    add("--n-head", type=whole(1), metavar="N", help="attention heads")
    add("--n-embd", type=whole(1), metavar="N", help="channels")
    share = flags.between(0, 1, "from 0 up to below 1")
    add("--dropout", type=share, metavar="P", help=f"{usual('dropout')}; with --finetune the model's own")


def add_training(group: argparse._ArgumentGroup) -> None:
    """How long, and in which steps."""
    whole, above, add = flags.at_least, flags.between(0, float("inf"), "above 0"), group.add_argument
    add("--minutes", type=above, metavar="M", help="as many steps as fit, measured on this machine (default: 5)")
    add("--steps", type=whole(1), metavar="N", help="so many steps instead")
    add("--batch-size", type=whole(1), metavar="N", help=f"blocks a step ({usual('batch_size')})")
    add("--accumulate", type=whole(1), metavar="N", help=f"parts of a batch, for less memory ({usual('accumulate')})")
    add("--block-size", type=whole(1), metavar="N", help="tokens a block (default: by the text; of --chat at most 512)")
    better = "muon moves the blocks' matrices equally far in all directions: a better model in the same time"
    add("--optimizer", choices=("adamw", "muon"), help=f"{better} ({usual('optimizer')})")
    add("--learning-rate", type=above, metavar="R", help="peak (default: 2e-3, with --finetune 1e-4, with --lora 1e-3)")
    add("--warmup", type=whole(0), metavar="N", help="steps (default: a tenth, at most 100)")
    add("--evaluate-every", type=whole(1), metavar="N", help="steps (default: a twentieth)")
    patience = "evaluations without a better one, after which the run ends, since it overfits; 0: never"
    add("--patience", type=whole(0), metavar="N", help=f"{patience} ({usual('patience')})")
    add("--precision", choices=("auto", "float32", "bfloat16"), help=usual("precision"))
    compiled = "fuse the step with torch.compile; minutes at first, needs a C++ compiler"
    add("--compile", action="store_true", help=compiled)
    add("--shard", action="store_true", help="with torchrun: each process holds a part of the model (FSDP2)")
    add("--seed", type=int, metavar="N", help=usual("seed"))


def usual(name: str) -> str:
    """How the help of `train` names a default."""
    return f"default: {TRAIN_DEFAULTS[name]}"


def flag(name: str) -> str:
    """The flag of a setting.

    >>> flag("learning_rate")
    '--learning-rate'
    """
    return f"--{name.replace('_', '-')}"


def check_train(args: argparse.Namespace) -> None:
    """Check that the flags of `train` go together; raises UsageError if they do not."""
    check_tuning(args)
    if args.text is None and args.chat is None and not args.resume:
        raise flags.UsageError("the following arguments are required: --text")
    if args.steps and args.minutes and not args.resume:
        raise flags.UsageError(f"--steps {args.steps} and --minutes {args.minutes:g} both say how long: give one")
    if args.tokenizer:
        for name in ("finetune", "vocab_size"):
            if getattr(args, name) is not None:
                other = f"{flag(name)} {getattr(args, name)}"
                raise flags.UsageError(f"--tokenizer {args.tokenizer} and {other} do not go together: give one")
    if args.n_embd and args.n_head and args.n_embd % args.n_head and not (args.resume or args.finetune):
        given = f"--n-embd {args.n_embd} does not divide into --n-head {args.n_head}"
        raise flags.UsageError(f"{given}: choose a multiple of it")
