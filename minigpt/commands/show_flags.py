"""The flags of `minigpt show`."""

import argparse
from pathlib import Path

from minigpt.commands import flags

LOOKS = ("attention", "lens", "beams", "bars", "surprise", "model")


def show(parser: argparse.ArgumentParser) -> None:
    """A look inside: where heads look, what each layer would say, what filters leave, what surprises, the model itself.

    Drawn in the terminal, or written as a file. WHAT is attention (all heads, or one by --layer and --head), lens (the
    logit lens), beams (what a beam search kept and dropped), bars (the next token before and after each filter),
    surprise (bits of each token) or model.
    """
    add = parser.add_argument
    add("what", metavar="WHAT", choices=LOOKS, help=", ".join(LOOKS))
    add("prompt", nargs="?", metavar="PROMPT", help="the text; standard input if left out; model needs none")
    add("--layer", type=flags.at_least(0), metavar="L", help="attention: of one head, in this layer (default: 0)")
    add("--head", type=flags.at_least(0), metavar="H", help="attention: this head (default: 0)")
    add("-k", type=flags.at_least(1), default=10, metavar="N", help="bars: how many tokens (default: %(default)s)")
    add("--num-beams", type=flags.at_least(2), metavar="N", help="beams: how many (default: 3)")
    add("-n", "--max-new-tokens", type=flags.at_least(1), metavar="N", help="beams: how many steps (default: 6)")
    add("--svg", type=Path, metavar="FILE", help="write an SVG instead, which adapts to light and dark")
    add("--html", type=Path, metavar="FILE", help="write a page with the picture and its numbers as a table")
    add("--png", type=Path, metavar="FILE", help='write a PNG; needs matplotlib: pip install "minigpt[pictures]"')
    add("--dark", action="store_true", help="with --png: on black")
    flags.add_model(parser)
    flags.add_device(parser)
    flags.add_plain(parser)
    flags.add_sampling(parser)
    parser.set_defaults(check=check_show)


def check_show(args: argparse.Namespace) -> None:
    """Whether the flags go together; a UsageError where they do not."""
    for name, what in {
        "layer": "attention",
        "head": "attention",
        "num_beams": "beams",
        "max_new_tokens": "beams",
    }.items():
        if getattr(args, name) is not None and args.what != what:
            raise flags.UsageError(f"--{name.replace('_', '-')} is for {what}, not for {args.what}: leave it out")
    if args.dark and not args.png:
        raise flags.UsageError("--dark is for --png; SVG and HTML follow the reader's own setting")
    if args.what == "model" and args.prompt is not None:
        raise flags.UsageError(f"model needs no prompt, {args.prompt!r} was given: leave it out")
    if args.what != "bars" and any(getattr(args, name) is not None for name in flags.SAMPLING):
        raise flags.UsageError(f"temperature and filters are for bars, not for {args.what}: leave them out")
    flags.settings_of(args)
