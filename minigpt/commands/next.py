"""`minigpt next`: the most likely next tokens as bars, before and after temperature and filters."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from minigpt.commands.common import load_model, prompt_of, spinner
from minigpt.commands.flags import settings_of
from minigpt.pictures.bars import percent
from minigpt.terminal import aligned, bar, columns
from tokenizer.display import DIM, SECOND, TINT, cells, clip, label, paint, use_color

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
    from minigpt.pictures.seen import text_of

    named = [replace(token, text=text_of(lm, token.id)) for token in tokens]
    print("\n".join(picture(named, columns(), use_color())))
    return 0


def picture(tokens: "Sequence[NextToken]", width: int = 80, color: bool = False) -> list[str]:
    """Lines of at most `width` cells: id, token, probability and its bar; both twice if the settings change anything.

    >>> from minigpt.analysis.scoring import NextToken
    >>> print(*picture([NextToken(7, "a", 0.75, 0.75, 2.1), NextToken(12, " b", 0.25, 0.25, 1.0)], 32), sep="\\n")
    id  token  probability
     7  a       75.0 % ██████▊
    12  ·b      25.0 % ██▎
    """
    changed = any(abs(token.filtered - token.probability) > 1e-9 for token in tokens)
    heads = ("before", "after") if changed else ("probability",)
    fixed = max(2, *(len(str(token.id)) for token in tokens)) + 2 + sum(2 + max(7, len(head)) for head in heads)
    names = [
        clip(name, min(24, max(3, width - fixed))) for name in ("token", *(label(t.text.encode()) for t in tokens))
    ]
    n_bar = max(0, min(40, (width - fixed - max(map(cells, names))) // len(heads) - 1))
    rows = [["id", names[0], *heads]]
    for token, name in zip(tokens, names[1:], strict=True):
        shares = (token.probability, token.filtered)[: len(heads)]
        drawn = [f"{percent(share) if share else 'dropped':>7} {bar(share, n_bar)}".rstrip() for share in shares]
        rows.append([str(token.id), name, *drawn])
    lines = []
    for n, row in enumerate(aligned(rows, numbers=[0])):
        if n == 0 or rows[n][-1] == "dropped":
            lines.append(paint("  ".join(row), DIM, color).rstrip())
        else:
            bars = [
                cell[:8] + paint(cell[8:], look, color) for cell, look in zip(row[2:], (TINT, SECOND), strict=False)
            ]
            lines.append("  ".join([*row[:2], *bars]).rstrip())
    return lines
