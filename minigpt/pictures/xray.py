"""A step of the X-ray as text: the source around its line, the value with its shape, a small heat-map."""

from collections.abc import Sequence

from torch import Tensor

from minigpt.analysis.xray import Line
from minigpt.pictures.xray_cells import NUMBERED, corner
from minigpt.terminal import wrap
from tokenizer.display import BOLD, DIM, cells, clip, pad, paint

BLUES = (None, 189, 153, 117, 75, 33, 26)  # of the 256 colours, for numbers above 0
ORANGES = (None, 230, 223, 216, 209, 166, 130)  # and below
DARK = (33, 26, 166, 130)  # on which the text is white
AROUND = 4  # lines of the source on each side, where there is room
REVERSE, UNDERLINE = "7", "4"


def step_text(
    lines: Sequence[Line], at: int, tokens: Sequence[str] = (), title: str = "", width: int = 80,
    height: int | None = None, color: bool = False,
) -> list[str]:  # fmt: skip
    """Step number `at` of an X-ray in lines of at most `width` cells, at most `height` of them.

    What does not fit is left out from the edges: the source far from the line, then rows and columns of the heat-map,
    with a note of what it then shows.
    """
    line = lines[at]
    count = f"step {at + 1} of {len(lines)}"
    top = [paint(clip(f"{count}  {title}", width), BOLD, color)]
    top += [paint(clip(f"{line.source.name}  {line.source.file}", width), DIM, color)]
    about = [*fitted(headline(line), width, 3), *fitted(line.changed, width, 2)]
    room = None if height is None else max(0, height - len(top) - len(about))
    if not isinstance(line.value, Tensor):
        source = source_text(line, width, min(2 * AROUND + 1, room or NUMBERED), color)
        return [*top, *source, *about][:height]
    wanted = min(NUMBERED, line.value.shape[-2] if line.value.ndim > 1 else 1) + 2  # its head and its note
    least = len(source_text(line, width, 1, color))
    for_source = 2 * AROUND + 1 if room is None else min(2 * AROUND + 1, max(least, room - wanted))
    source = source_text(line, width, for_source, color)
    for_map = wanted if room is None else room - len(source)
    return [*top, *source, *about, *map_text(line, tokens, width, for_map, color)][:height]


def headline(line: Line) -> str:
    """What a value is, in one sentence.

    >>> from minigpt.analysis.xray_source import Source
    >>> headline(Line(Source("f.py", "f", ()), 1, None, "mask = None", "mask", "None", (), (), None, ""))
    'mask = None'
    """
    if not isinstance(line.value, Tensor):
        if not line.value:
            return "no value"
        return f"{line.name} = {line.value}" if line.name else f"{line.expression}: {line.value}"
    kind = str(line.value.dtype).removeprefix("torch.")
    also = f", recorded as {' and '.join(line.activations)}" if line.activations else ""
    return f"{line.name or 'on the way'}: {line.shape} {kind}{also}"


def fitted(text: str, width: int, n: int) -> list[str]:
    """A text in at most n lines, with an ellipsis if it does not fit.

    >>> fitted("one two three four", 9, 2)
    ['one two', '  three…']
    """
    rows = wrap(text, width, indent=2) if text else []
    return rows if len(rows) <= n else [*rows[: n - 1], clip(rows[n - 1] + " " * width, width).rstrip("… ") + "…"]


def source_text(line: Line, width: int, n: int, color: bool) -> list[str]:
    """At most n lines of the source around the one that runs, which is marked and shown whole."""
    numbers = [number for number, _ in line.source.lines]
    at = numbers.index(line.number)
    own = own_text(line, width, color)
    free = max(0, n - len(own))
    before = min(at, max(free // 2, free - (len(numbers) - at - 1)))
    rows = [f"  {number:>4} {text}" for number, text in line.source.lines]
    above = [paint(clip(row, width), DIM, color) for row in rows[at - before : at]]
    below = [paint(clip(row, width), DIM, color) for row in rows[at + 1 : at + 1 + free - before]]
    return [*above, *own, *below]


def own_text(line: Line, width: int, color: bool) -> list[str]:
    """The line that runs, in as many rows as it takes; the expression is reversed, or underlined with ^."""
    text = dict(line.source.lines)[line.number]
    start, stop = line.columns or (len(text) - len(text.lstrip()), len(text.partition("  # ")[0]))
    room, code = max(1, width - 7), text.partition("  # ")[0]
    text = clip(text, room) if len(code) <= room else code  # the comment is a shape, which is given below with numbers
    found = []
    for first in range(0, max(1, len(text)), room):
        piece = text[first : first + room]
        a, b = (min(max(0, edge - first), len(piece)) for edge in (start, stop))
        head = " " * 7 if first else f"> {line.number:>4} "
        if color:
            found.append(paint(head, BOLD) + piece[:a] + paint(piece[a:b], REVERSE) + piece[b:])
        else:
            found += [head + piece, *([" " * (7 + a) + "^" * (b - a)] if line.columns and a < b else [])]
    return found


def map_text(line: Line, tokens: Sequence[str], width: int, height: int, color: bool) -> list[str]:
    """The heat-map in at most `height` rows, including its head and the note of what is shown."""
    edge, size = 8 if width < 60 else 12, 0
    part, note = corner(line, tokens, max(1, height - 2)), [""]
    for _ in range(2):  # the more the note takes, the fewer rows there are
        size = max([2, *(len(text) for row in part.texts for text in row)])
        edge = min(max(map(cells, part.rows)), edge)
        n_columns = max(1, min(NUMBERED, (width - edge) // (size + 1)))
        part = corner(line, tokens, max(1, min(NUMBERED, height - 1 - len(note))), n_columns)
        note = fitted(part.shown, width, 2)
    names = [clip(name, size) for name in part.columns]
    head = " " * edge + "".join(" " + " " * (size - cells(name)) + name for name in names)
    found = [paint(head.rstrip(), DIM, color)]
    for name, texts, shades, marks in zip(part.rows, part.texts, part.shades, part.changed, strict=True):
        row = [
            " " + tinted(text.rjust(size), shade, mark) if color else " " + text.rjust(size)
            for text, shade, mark in zip(texts, shades, marks, strict=True)
        ]
        found.append(pad(clip(name, edge), edge) + "".join(row))
    return [*found, *(paint(row, DIM, color) for row in note)][: max(0, height)]


def tinted(text: str, shade: float, marked: bool = False) -> str:
    """A shaded number, blue above 0 and orange below, underlined if it is marked.

    >>> tinted("1", 1.0), tinted("-1", -1.0, marked=True), tinted("0", 0.0)
    ('\\x1b[48;5;26;38;5;231m1\\x1b[0m', '\\x1b[48;5;130;38;5;231;4m-1\\x1b[0m', '0')
    """
    scale = BLUES if shade >= 0 else ORANGES
    ground = scale[round(min(1.0, abs(shade)) * (len(scale) - 1))]
    look = "" if ground is None else f"48;5;{ground};38;5;{231 if ground in DARK else 16}"
    return paint(text, ";".join(filter(None, [look, UNDERLINE * marked]))) if look or marked else text
