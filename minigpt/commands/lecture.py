"""`minigpt lecture`: what a lecturer does with the working file, one command each."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from minigpt.commands.common import spinner
from minigpt.lecture.moves import Answer
from minigpt.lecture.plan import NAMES, lecture
from minigpt.lecture.working_file import WorkingFile
from minigpt.terminal import columns, plain, side_by_side, table, wrap
from tokenizer.display import use_color

if TYPE_CHECKING:
    from minigpt.lecture.held import Held


def run(args: argparse.Namespace) -> int:
    """Does one thing, and prints the result."""
    if args.do == "list":
        return listed()
    if args.do == "preflight":
        from minigpt.lecture import preflight

        folders = [word for word in args.words if word not in NAMES and Path(word).is_dir()]
        return preflight.run([word for word in args.words if word not in folders], Path(*folders[:1]))
    from minigpt.lecture.held import Held

    if args.do == "start":
        file = WorkingFile.start(args.what, args.folder)
        print(f"{file.path}: {len(file.lecture.steps)} steps, {file.lecture.minutes:g} minutes")
        print("minigpt lecture live opens the screen beside your editor; minigpt lecture next fills in the first step")
        return 0
    file = opened(args.folder, args.what if args.do == "live" else None)
    held = Held(file)
    if args.do == "live":
        from minigpt.lecture import live

        return live.run(held)
    try:
        return did(held, args)
    finally:
        held.kernel.close()


def did(held: "Held", args: argparse.Namespace) -> int:
    """One of the commands that give an answer."""
    if args.do == "handout":
        from minigpt.lecture import handout

        print("wrote " + " and ".join(str(path) for path in handout.write(held)))
        return 0
    if args.do == "break" and not args.what:
        print(*table([("name", "what it does"), *((b.name, b.does) for b in held.lecture.breaks)], columns()), sep="\n")
        return 0
    given = {"break": [args.what], "goto": [int(args.what or 0)] if args.do == "goto" else [], "ask": [args.what]}
    with spinner({"run": "writing", "check": "checking"}.get(args.do, "looking")):
        answer: Answer = getattr(held, "break_" if args.do == "break" else args.do)(*given.get(args.do, []))
    print("\n".join(shown(answer, columns())))
    return 0 if answer.ok else 1


def opened(folder: Path, name: str | None) -> WorkingFile:
    """The lecture held in a folder, or by a working file; `name` begins one that is not held yet."""
    if folder.suffix == ".py":
        folder, name = folder.parent, folder.stem
    if name and not (folder / ".lecture" / f"{name}.jsonl").exists():
        return WorkingFile.start(name, folder)
    return WorkingFile.open(folder, name or None)


def shown(answer: Answer, width: int) -> list[str]:
    """An answer in lines: its one line, the rest, and where there are two versions, both."""
    lines = [("✓ " if answer.ok else "✗ ") + answer.says]
    lines += [f"  {line}" for text in answer.lines for line in wrap(plain(text), max(20, width - 2), indent=4)]
    mine = [line for text in answer.mine for line in wrap(text, max(20, width - 2))]
    if not answer.right:
        return [*lines, *mine]
    half = max(20, (width - 3) // 2)
    both = [[line for text in texts for line in wrap(text, half)] for texts in (answer.mine, answer.right)]
    both = [["yours", *both[0]], ["the reference's", *both[1]]]
    return [*lines, *(side_by_side(both, half) if width >= 60 else [*both[0], *both[1]])]


def listed() -> int:
    """Print the available lectures."""
    plans = [lecture(name) for name in NAMES]
    rows = [(plan.name, str(len(plan.steps)), f"{plan.minutes:g}", plan.title) for plan in plans]
    print(*table([("lecture", "steps", "min", "what"), *rows], columns(), numbers=[1, 2], color=use_color()), sep="\n")
    return 0
