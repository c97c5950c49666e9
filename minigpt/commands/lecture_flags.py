"""The flags of `minigpt lecture`."""

import argparse
import re
from pathlib import Path

from minigpt.commands import flags

DO = {  # what there is to do, the words that follow, and what it does
    "list": ("", "the lectures, with their steps and minutes"),
    "preflight": ("[LECTURE …] [FOLDER]", "the evening before: every step on this machine, without a network"),
    "start": ("LECTURE [FOLDER]", "lay down the working file, with a blank where the first step goes"),
    "live": ("[LECTURE] [FOLDER]", "all of the following in a screen beside the editor, one key each"),
    "show": ("[FOLDER]", "what comes next, for the lecturer's eyes: what to say, what to ask"),
    "next": ("[FOLDER]", "fill in the next step; what was typed in its place stays if it is right"),
    "undo": ("[FOLDER]", "the file as it was before the last change, typed or filled in; redo takes it back"),
    "redo": ("[FOLDER]", ""),
    "goto": ("N [FOLDER]", "forward, or back to the file as it was after N steps"),
    "check": ("[FOLDER]", "right so far? the checker names the slip"),
    "fix": ("[FOLDER]", "this step as in the reference"),
    "run": ("[FOLDER]", "what does the model write with the file as it stands?"),
    "break": ("NAME [FOLDER]", "plant a mistake; without NAME, those that there are"),
    "time": ("[FOLDER]", "where one is against the plan"),
    "ask": ("QUESTION [FOLDER]", "note a question from the audience, for the handout"),
    "handout": ("[FOLDER]", "the file as held, the questions and the pictures, as a notebook and a page"),
}


def lecture(parser: argparse.ArgumentParser) -> None:
    """Live coding from the tested source, step by step, into a file that runs at every moment.

    The file is in the folder where the command runs, or in FOLDER. Nothing that is typed into it is ever lost:
    every state is kept beside it, in .lecture/.
    """
    parser.description = (lecture.__doc__ or "").replace("\n    ", "\n").strip()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    rows = [(f"{name} {words}".strip(), says or "redo what was undone last") for name, (words, says) in DO.items()]
    parser.epilog = "what to do:\n" + "\n".join(f"  {words:<30} {says}" for words, says in rows)
    parser.add_argument("do", metavar="DO", choices=DO, help="see below")
    parser.add_argument("words", nargs="*", default=[], metavar="WORD", help="what follows it")
    parser.set_defaults(check=check_lecture)


def check_lecture(args: argparse.Namespace) -> None:
    """Reads the words that follow into `args.what` and `args.folder`; a UsageError where they do not fit."""
    shape, words = DO[args.do][0], [*args.words]
    usage = f"usage: minigpt lecture {args.do} {shape}".rstrip()
    args.what, args.folder = "", Path()
    if "…" in shape:
        return
    optional = args.do == "break" or shape.startswith("[LECTURE]")
    if shape and not shape.startswith("[FOLDER]") and (words or not optional):
        if not words:
            raise flags.UsageError(usage)
        if args.do != "live" or not Path(words[0]).is_dir():
            args.what = words.pop(0)
    if words and "FOLDER" in shape:
        args.folder = Path(words.pop(0))
    if words:
        raise flags.UsageError(usage)
    if args.do == "goto" and not re.fullmatch(r"\d{1,3}", args.what):
        raise flags.UsageError(f"goto takes the number of a step, not {args.what}: {usage}")
