"""The flags of `minigpt show`."""

import argparse

from minigpt.commands import flags

SCORES = ("previous", "induction", "first", "entropy", "ablation")  # of heads: those of minigpt/pictures/heads.py
LOOKS: dict[str, tuple[str, ...]] = {  # a method of `lm.show` each, and the flags that go to it
    "attention": ("layer", "head"),
    "lens": (),
    "stream": (),
    "heads": ("score",),
    "attribution": ("token", "against"),
    "beams": ("num_beams", "max_new_tokens"),
    "bars": ("k", *flags.SAMPLING),
    "temperature": ("k",),
    "wheel": ("k", "seed", *flags.SAMPLING),
    "staircase": ("k", "top_p", "temperature"),
    "surprise": (),
    "merges": (),
    "masks": (),
    "cache": ("max_new_tokens",),
    "training": (),
    "model": (),
}


def show(parser: argparse.ArgumentParser) -> None:
    """A look inside: where heads look, what each layer would say, what filters leave, what surprises, the model itself.

    Drawn in the terminal, or written as a file. WHAT is one of these. Inside the model: attention (all heads, or one by
    --layer and --head), lens (the logit lens), stream (norms along the residual stream), heads (one --score of each
    head), attribution (which parts pushed the next token's logit, or that of --token). Choosing a token: bars (before
    and after each filter), temperature (from greedy to flat), wheel (what a seed draws, and a thousand more), staircase
    (what top-p keeps), beams (what a beam search kept and dropped). The text: surprise (bits of each token), merges
    (how its tokens grew). How it works: masks (who may look at whom), cache (the KV cache as it fills), training (the
    losses of a run of `minigpt train`, whose folder is given as PROMPT), model (its architecture).
    """
    add = parser.add_argument
    add("what", metavar="WHAT", choices=LOOKS, help=", ".join(LOOKS))
    add(
        "prompt",
        nargs="?",
        metavar="PROMPT",
        help="the text; standard input if left out; model needs none; for training a run's folder",
    )
    add("--layer", type=flags.at_least(0), metavar="L", help="attention: of one head, in this layer (default: 0)")
    add("--head", type=flags.at_least(0), metavar="H", help="attention: this head (default: 0)")
    add(
        "-k",
        type=flags.at_least(1),
        metavar="N",
        help="bars, temperature, wheel, staircase: how many tokens (default: 10, 6, 8, 12)",
    )
    add("--seed", type=int, metavar="N", help="wheel: the draw that the hand shows (default: 0)")
    add("--score", choices=SCORES, metavar="S", help=f"heads: {', '.join(SCORES)} (default: previous)")
    add("--token", metavar="TEXT", help="attribution: of this token (default: the most likely next one)")
    add("--against", metavar="TEXT", help="attribution: how much more than of this token")
    add("--num-beams", type=flags.at_least(2), metavar="N", help="beams: how many (default: 3)")
    add("-n", "--max-new-tokens", type=flags.at_least(1), metavar="N", help="beams, cache: how many steps (default: 6)")
    add("--svg", type=flags.path, metavar="FILE", help="write an SVG instead, which adapts to light and dark")
    add("--html", type=flags.path, metavar="FILE", help="write a page with the picture and its numbers as a table")
    add("--png", type=flags.path, metavar="FILE", help='write a PNG; needs matplotlib: pip install "minigpt[pictures]"')
    add("--dark", action="store_true", help="with --png: on black")
    flags.add_model(parser)
    flags.add_device(parser)
    flags.add_plain(parser)
    flags.add_sampling(parser)
    parser.set_defaults(check=check_show)


def check_show(args: argparse.Namespace) -> None:
    """Check that the flags go together; raises UsageError if they do not."""
    for name in sorted({name for names in LOOKS.values() for name in names} - {*LOOKS[args.what]}):
        if getattr(args, name) is not None:
            fitting = " and ".join(what for what, names in LOOKS.items() if name in names)
            raise flags.UsageError(f"{flag(name)} is for {fitting}, not for {args.what}: leave it out")
    if args.dark and not args.png:
        raise flags.UsageError("--dark is for --png; SVG and HTML follow the reader's own setting")
    if not needs_prompt(args.what) and args.prompt is not None:
        raise flags.UsageError(f"{args.what} needs no prompt, {args.prompt!r} was given: leave it out")
    if not needs_model(args.what) and args.model != args.usual_model:
        raise flags.UsageError(f"-m {args.model}: {args.what} needs no model, but the folder of a run: leave it out")
    flags.settings_of(args)


def needs_prompt(what: str) -> bool:
    """Whether a picture is of a text."""
    return what != "model"


def needs_model(what: str) -> bool:
    """Whether a picture is of a model; the losses of a run are in its log."""
    return what != "training"


def flag(name: str) -> str:
    """How an argument is written on the command line.

    >>> flag("num_beams"), flag("k")
    ('--num-beams', '-k')
    """
    return f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"
