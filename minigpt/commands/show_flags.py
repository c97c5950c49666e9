"""The flags of `minigpt show`."""

import argparse
from pathlib import Path

from minigpt.commands import flags

LOOKS: dict[str, tuple[str, ...]] = {  # a method of `lm.show` each, and the flags that go to it
    "attention": ("layer", "head"),
    "lens": (),
    "beams": ("num_beams", "max_new_tokens"),
    "bars": ("k", *flags.SAMPLING),
    "surprise": (),
    "merges": (),
    "model": (),
}


def show(parser: argparse.ArgumentParser) -> None:
    """A look inside: where heads look, what each layer would say, what filters leave, what surprises, the model itself.

    Drawn in the terminal, or written as a file. WHAT is attention (all heads, or one by --layer and --head), lens (the
    logit lens), beams (what a beam search kept and dropped), bars (the next token before and after each filter),
    surprise (bits of each token), merges (how the bytes of a word become tokens) or model.
    """
    add = parser.add_argument
    add("what", metavar="WHAT", choices=LOOKS, help=", ".join(LOOKS))
    add("prompt", nargs="?", metavar="PROMPT", help="the text; standard input if left out; model needs none")
    add("--layer", type=flags.at_least(0), metavar="L", help="attention: of one head, in this layer (default: 0)")
    add("--head", type=flags.at_least(0), metavar="H", help="attention: this head (default: 0)")
    add("-k", type=flags.at_least(1), metavar="N", help="bars: how many tokens (default: 10)")
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
    for name in sorted({name for names in LOOKS.values() for name in names} - {*LOOKS[args.what]}):
        if getattr(args, name) is not None:
            fitting = " and ".join(what for what, names in LOOKS.items() if name in names)
            raise flags.UsageError(f"{flag(name)} is for {fitting}, not for {args.what}: leave it out")
    if args.dark and not args.png:
        raise flags.UsageError("--dark is for --png; SVG and HTML follow the reader's own setting")
    if not needs_prompt(args.what) and args.prompt is not None:
        raise flags.UsageError(f"{args.what} needs no prompt, {args.prompt!r} was given: leave it out")
    flags.settings_of(args)


def needs_prompt(what: str) -> bool:
    """Whether a picture is of a text."""
    return what != "model"


def flag(name: str) -> str:
    """How an argument is written on the command line.

    >>> flag("num_beams"), flag("k")
    ('--num-beams', '-k')
    """
    return f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"
