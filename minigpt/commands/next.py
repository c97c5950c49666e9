"""`minigpt next`: the most likely next tokens as bars, before and after temperature and filters."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from minigpt.commands.common import load_model, prompt_of, spinner
from minigpt.commands.flags import settings_of
from minigpt.terminal import CYAN, DIM, RESET, YELLOW, bar, columns, pad
from tokenizer.display import cells, clip, use_color

if TYPE_CHECKING:
    from minigpt.analysis.scoring import NextToken


def run(args: argparse.Namespace) -> int:
    """Draw the tokens with their bars."""
    given, prompt = settings_of(args), prompt_of(args.prompt)
    lm = load_model(args.model, args)
    with spinner("reading the prompt"):
        tokens = lm.next_tokens(prompt, args.k, **given)
    if args.json:
        for token in tokens:
            print(json.dumps(asdict(token), ensure_ascii=False, allow_nan=False))
        return 0
    print("\n".join(picture(tokens, columns(), use_color())))
    return 0


def picture(tokens: "Sequence[NextToken]", width: int = 80, coloured: bool = False) -> list[str]:
    """Lines of at most `width` cells: id, token, probability and its bar; both twice if the settings change anything.

    >>> from minigpt.analysis.scoring import NextToken
    >>> print(*picture([NextToken(7, "a", 0.75, 0.75, 2.1), NextToken(12, "b", 0.25, 0.25, 1.0)], 22), sep="\\n")
     7 'a'  75.00% █████▎
    12 'b'  25.00% █▊
    """
    changed = any(abs(token.filtered - token.probability) > 1e-9 for token in tokens)
    n_id = max(len(str(token.id)) for token in tokens)
    n_columns = 2 if changed else 1
    room = width - n_id - 1 - 9 * n_columns  # for the texts and the bars
    texts = [clip(repr(token.text), min(24, max(3, room - 4))) for token in tokens]
    n_text = max(map(cells, texts))
    n_bar = max(0, min(40, (room - n_text) // n_columns))
    lines = [" " * (n_id + n_text + 2) + f"{'before':<{n_bar + 9}}after"] if changed else []
    for token, text in zip(tokens, texts, strict=True):
        line = f"{token.id:>{n_id}} {pad(text, n_text)}"
        shares = [(token.probability, CYAN), (token.filtered, YELLOW)][:n_columns]
        for share, colour in shares:
            drawn = bar(share, n_bar)
            line += f" {share:7.2%} " + (f"{colour}{drawn}{RESET}" if coloured else drawn)
        dropped = coloured and changed and not token.filtered
        lines.append(f"{DIM}{line.rstrip()}{RESET}" if dropped else line.rstrip())
    return lines
