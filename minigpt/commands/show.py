"""`minigpt show`: a look inside, in the terminal or as an SVG, PNG or HTML file."""

import argparse
from typing import TYPE_CHECKING

from minigpt.commands.common import load_model, note, prompt_of, spinner
from minigpt.commands.show_flags import LOOKS, needs_model, needs_prompt
from minigpt.terminal import columns, heading
from tokenizer.display import use_color
from tokenizer.fetch.atomic import replacing, write_text

if TYPE_CHECKING:
    from minigpt.language_model import LanguageModel
    from minigpt.pictures.drawing import Drawing


def run(args: argparse.Namespace) -> int:
    """Draw what is asked for."""
    prompt = prompt_of(args.prompt) if needs_prompt(args.what) else ""
    lm = load_model(args.model, args) if needs_model(args.what) else None
    with spinner("looking inside"):
        drawing = draw(lm, prompt, args)
    if args.svg:
        write_text(args.svg, drawing.svg() + "\n")
    if args.html:
        write_text(args.html, drawing.html())
    if args.png:
        from minigpt.pictures.figure import save_png

        with replacing(args.png) as part:
            missing = save_png(drawing, part, args.dark)
        if missing:
            note(f"no font here has {missing}, boxes stand for it: install Noto Sans CJK or the like, or write --svg")
    written = [str(file) for file in (args.svg, args.html, args.png) if file]
    if written:
        note(f"wrote {', '.join(written)}")
        return 0
    from minigpt.pictures.terminal import flowing, terminal_lines

    width, color = columns(), use_color()
    if args.what == "surprise" and color:
        tokens = [row[0] for row in drawing.table[1]]
        print(*heading(drawing.title, width, color), *flowing(tokens, drawing.shades, width, color), sep="\n")
    else:
        print("\n".join(terminal_lines(drawing, width, color)))
    return 0


def draw(lm: "LanguageModel | None", prompt: str, args: argparse.Namespace) -> "Drawing":
    """The picture of what was asked for, by the method of that name of `lm.show`."""
    from minigpt.pictures.views import Views

    given = {name: getattr(args, name) for name in LOOKS[args.what]}
    method = getattr(lm.show if lm else Views, args.what)
    return method(*[prompt] * needs_prompt(args.what), **{k: v for k, v in given.items() if v is not None})
