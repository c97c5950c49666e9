"""`minigpt xray`: line by line through a forward pass, on a screen, as text or as a page."""

import argparse
import os
import sys

from minigpt.commands.common import load_model, note, prompt_of, spinner
from minigpt.terminal import columns
from tokenizer.display import use_color
from tokenizer.fetch.atomic import write_text


def run(args: argparse.Namespace) -> int:
    """Look, then show."""
    prompt = prompt_of(args.prompt)
    args.dtype, args.plain = None, True  # the plain form, in the checkpoint's numbers: nothing else has these lines
    lm = load_model(args.model, args)
    from minigpt.pictures.xray_steps import xray

    with spinner("looking inside"):
        made = xray(lm, args.what, prompt, args.layer, args.cache)
    if args.html:
        write_text(args.html, made.html())
        note(f"wrote {args.html}")
    elif sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        from minigpt.lecture.xray_view import XrayApp

        XrayApp(made.lines, made.tokens, made.title, use_color()).run()
    else:
        print(made.text(columns(), use_color()))
    return 0
