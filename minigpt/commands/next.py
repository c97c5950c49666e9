"""The most likely next tokens after a text, with their probabilities before and after temperature and filters."""

import argparse
import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from minigpt.commands.arguments import add_model, add_sampling, prompt_of, settings_of, spinner

if TYPE_CHECKING:
    from minigpt.analysis.scoring import NextToken

HELP = "the most likely next tokens, with probabilities"
EIGHTHS = " ▏▎▍▌▋▊▉"
BEFORE, AFTER, DIM, PLAIN = "\033[36m", "\033[33m", "\033[2m", "\033[0m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `minigpt next`."""
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help='the text so far; "" is its very beginning')
    parser.add_argument("-k", type=int, default=10, metavar="N", help="how many tokens (default: %(default)s)")
    add_model(parser)
    add_sampling(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object per token instead of the picture")


def run(args: argparse.Namespace) -> int:
    """Draw the tokens with their bars."""
    given, prompt = settings_of(args), prompt_of(args.prompt)
    if args.k < 1:
        raise ValueError(f"-k must be at least 1, not {args.k}")
    with spinner(f"loading {args.model}"):
        from minigpt.language_model import load

        lm = load(args.model, device=args.device, dtype=args.dtype)
        tokens = lm.next_tokens(prompt, args.k, **given)
    if args.json:
        for token in tokens:
            print(json.dumps(asdict(token), ensure_ascii=False))
        return 0
    changed = any(abs(token.filtered - token.probability) > 1e-9 for token in tokens)
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print("\n".join(picture(tokens, changed, coloured)))
    return 0


def picture(tokens: "list[NextToken]", changed: bool, coloured: bool) -> list[str]:
    """Lines of at most 80 columns: id, token, probability and its bar; both twice if the settings change anything."""
    texts = [quoted(token.text) for token in tokens]
    n_text = max(map(width, texts))
    n_id = max(len(str(token.id)) for token in tokens)
    n_bar = min(40, (80 - n_id - n_text - 2 - (18 if changed else 8)) // (2 if changed else 1) - 1)
    lines = [" " * (n_id + n_text + 2) + f"{'before':<{n_bar + 9}}after"] if changed else []
    for token, text in zip(tokens, texts, strict=True):
        line = f"{token.id:>{n_id}} {text}{' ' * (n_text - width(text))} "
        line += column(token.probability, n_bar, BEFORE if coloured else "")
        if changed:
            line += " " + column(token.filtered, n_bar, AFTER if coloured else "")
        dropped = coloured and changed and not token.filtered
        lines.append(f"{DIM}{line.rstrip()}{PLAIN}" if dropped else line.rstrip())
    return lines


def column(p: float, n: int, colour: str) -> str:
    """A probability as a percentage and as a bar n characters wide.

    >>> column(0.5, 4, "")
    ' 50.00% ██  '
    """
    bar = "█" * int(p * n) + EIGHTHS[int(p * n * 8) % 8].strip()
    return f"{p:7.2%} {colour}{bar}{PLAIN if colour else ''}{' ' * (n - len(bar))}"


def quoted(text: str) -> str:
    """A token's text as Python writes it, shortened to 24 characters: spaces and line ends are part of it."""
    text = repr(text)
    return text if len(text) <= 24 else text[:22] + "…" + text[-1]


def width(text: str) -> int:
    """Columns on a terminal: wide characters take two, combining ones none."""
    import unicodedata

    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
