"""The flags of `minigpt train` that tune an existing model."""

from __future__ import annotations

import argparse

from minigpt.commands import flags


def add_tuning(parser: argparse.ArgumentParser) -> None:
    """--finetune and what goes with it."""
    add = parser.add_argument_group("fine-tuning").add_argument
    add("--finetune", metavar="MODEL", help="start from this model and its tokenizer instead of from nothing")
    chats = 'instead of --text: a chat a line, {"messages": [{"role": …, "content": …}, …]}; the answers are learnt'
    add("--chat", type=flags.path, metavar="FILE", help=chats)
    rank = "LoRA: only two thin matrices beside each one learn, R wide; the model written has them merged"
    add("--lora", type=flags.at_least(1), metavar="R", help=rank)
    above = flags.between(0, float("inf"), "above 0")
    add("--lora-alpha", type=above, metavar="A", help="their product counts A/R times (default: twice R)")
    names = "the matrices that get them, such as c_attn,mlp.c_proj (default: all of the blocks)"
    add("--lora-targets", metavar="NAMES", help=names)


def check_tuning(args: argparse.Namespace) -> None:
    """Check that the flags go together; raises UsageError if they do not."""
    if args.chat is not None and args.text is not None:
        raise flags.UsageError(
            f"--text {' '.join(map(str, args.text))} and --chat {args.chat}: give one, a run learns from one kind"
        )
    for name in ("chat", "lora"):
        if getattr(args, name) is not None and not (args.finetune or args.resume):
            raise flags.UsageError(f"--{name} tunes a model: name it, as in --finetune storyteller")
    for name in ("lora_alpha", "lora_targets"):
        if getattr(args, name) is not None and not (args.lora or args.resume):
            flag = f"--{name.replace('_', '-')}"
            raise flags.UsageError(f"{flag} {getattr(args, name)} belongs to LoRA: give --lora R too, such as --lora 8")
    for name in ("chat", "lora"):
        if getattr(args, name) is not None and args.shard:
            raise flags.UsageError(f"--shard spreads a model that is trained on a text, all of it: leave out --{name}")
    if args.chat is not None and args.val is not None and len(args.val) > 1:
        raise flags.UsageError(f"--val {' '.join(map(str, args.val))}: with --chat give one file of chats")
    if args.chat is not None and args.compile:
        raise flags.UsageError("--compile wants batches of one shape, and those of --chat are not: leave it out")
