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
    "n_layer": 4,
    "n_head": 4,
    "n_embd": 128,
    "dropout": 0.1,
    "steps": 1000,
    "batch_size": 16,
    "accumulate": 1,
    "warmup": 100,
    "evaluate_every": 100,
    "precision": "auto",
    "compile": False,
    "seed": 0,
    "device": "auto",
    "plain": False,
}


class Once(argparse.Action):
    """A flag that is an error where it is given twice: one of the files would be dropped in silence."""

    def __call__(self, _: object, namespace: argparse.Namespace, values: object, flag: str | None = None) -> None:
        before = getattr(namespace, self.dest)
        if before is not None:
            raise argparse.ArgumentError(self, f"given twice, {before} and {values}: put both into one file for {flag}")
        setattr(namespace, self.dest, values)


def train(parser: argparse.ArgumentParser) -> None:
    """Train a tokenizer and a GPT-2 on a text of your own, or continue from a checkpoint with --finetune."""
    add, whole, file, above = parser.add_argument, flags.at_least, flags.path, flags.between(0, float("inf"), "above 0")
    add("--text", action=Once, type=file, metavar="FILE", help="what to train on; <|endoftext|> separates documents")
    add("--val", action=Once, type=file, metavar="FILE", help="validation text (default: the last 5%% of the text)")
    add("--encoding", type=flags.encoding, help=f"the files' encoding ({usual('encoding')})")
    add("--out", type=file, default="runs/model", metavar="FOLDER", help="default: %(default)s")
    resume = "go on with the run in the --out folder by its own settings; --steps, --learning-rate, --evaluate-every, "
    anew = "--accumulate, --precision, --compile, --device and --plain may be given anew"
    add("--resume", action="store_true", help=resume + anew)
    add_tuning(parser)
    add = parser.add_argument_group("size of a new model").add_argument
    add("--vocab-size", type=whole(257), metavar="N", help="tokens (default: by the text's length, 512 to 4096)")
    add("--n-layer", type=whole(1), metavar="N", help=f"blocks ({usual('n_layer')})")
    add("--n-head", type=whole(1), metavar="N", help=f"attention heads ({usual('n_head')})")
    add("--n-embd", type=whole(1), metavar="N", help=f"channels ({usual('n_embd')})")
    share = flags.between(0, 1, "from 0 up to below 1")
    add("--dropout", type=share, metavar="P", help=usual("dropout"))
    add = parser.add_argument_group("training").add_argument
    add("--steps", type=whole(1), metavar="N", help=usual("steps"))
    add("--batch-size", type=whole(1), metavar="N", help=f"blocks a step ({usual('batch_size')})")
    add("--accumulate", type=whole(1), metavar="N", help=f"parts of a batch, for less memory ({usual('accumulate')})")
    add("--block-size", type=whole(1), metavar="N", help="tokens a block (default: 128; of --chat 512)")
    add("--learning-rate", type=above, metavar="R", help="peak (default: 1e-3, with --finetune 1e-4, with --lora 1e-3)")
    add("--warmup", type=whole(0), metavar="N", help=f"steps ({usual('warmup')})")
    add("--evaluate-every", type=whole(1), metavar="N", help=f"steps ({usual('evaluate_every')})")
    add("--precision", choices=("auto", "float32", "bfloat16"), help=usual("precision"))
    add(
        "--compile",
        action="store_true",
        help="fuse the step with torch.compile; minutes at first, needs a C++ compiler",
    )
    add("--seed", type=int, metavar="N", help=usual("seed"))
    flags.add_device(parser, dtype=False)
    flags.add_plain(parser)
    parser.set_defaults(compile=None, device=None, plain=None, check=check_train)  # None: not given


def usual(name: str) -> str:
    """How the help of `train` names a default."""
    return f"default: {TRAIN_DEFAULTS[name]}"


def check_train(args: argparse.Namespace) -> None:
    """Whether the flags of `train` go together; a UsageError where they do not."""
    check_tuning(args)
    if args.text is None and args.chat is None and not args.resume:
        raise flags.UsageError("the following arguments are required: --text")
    sizes = {name: getattr(args, name) or TRAIN_DEFAULTS[name] for name in ("n_embd", "n_head")}
    if sizes["n_embd"] % sizes["n_head"] and not (args.resume or args.finetune):
        given = f"--n-embd {sizes['n_embd']} does not divide into --n-head {sizes['n_head']}"
        raise flags.UsageError(f"{given}: choose a multiple of it")
