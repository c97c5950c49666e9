"""`minigpt families`: GPT-2, BERT, BART and T5 side by side: modules, masks, and what each can do, found by running."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from minigpt.commands.common import note, spinner
from minigpt.terminal import ENDLESS, aligned, columns, heading
from tokenizer.display import cells, clip, fill, pad, use_color
from tokenizer.fetch.atomic import replacing, write_text

KINDS = {"encoder": "encoder self-attention", "decoder": "decoder self-attention", "cross": "cross-attention"}
ABILITIES = ("write on (what stands stays)", "fill a gap (from both sides)", "embed (each sees the whole)")
GAP = "   "
Rows = Sequence[Sequence[Any]]


def run(args: argparse.Namespace) -> int:
    """Build, run, print."""
    with spinner("building four models"):
        from minigpt.relatives import families as f

        found = {name: facts(name) for name in f.CHECKPOINTS}
    if args.json:
        print(json.dumps({"families": found}, ensure_ascii=False))
        return 0
    if args.html or args.png:
        draw(found, args)
        return 0
    width, color = columns(unknown=ENDLESS), use_color()
    blocks = [tree_block(name, facts) for name, facts in found.items()]
    print("\n".join(side_by_side(blocks, width)))
    counts = [["", *found], *([part, *count_row(found, part)] for part in [*f.PARTS, "all"])]
    print("\n".join(["", *heading("Parameters by part", width, color), *in_blocks(counts, width)]))
    print("\n".join(["", *heading("Whose output (row) changes with which token (column)", width, color)]))
    print("\n".join(side_by_side([mask_block(title, seen) for _, title, seen in masks(found)], width)))
    question = f"Does the output at position {f.AT} change when token {f.CHANGED} changes? What follows?"
    print("\n".join(["", *heading(question, width, color), *in_blocks(abilities(found), width)]))
    return 0


def facts(name: str) -> dict[str, Any]:
    """The facts about a family, computed."""
    from minigpt.relatives import families as f

    full, small = f.full_size(name), f.small(name)
    seen = {kind: f.looks(run) for kind, run in f.attentions(small)}
    parts = f.parts(full)
    can = {"write_on": f.writes_on(seen), "fill_a_gap": f.fills_gaps(seen), "embed": f.embeds(seen)}
    return {
        "checkpoint": f.CHECKPOINTS[name],
        "n_parameters": sum(parts.values()),
        "parts": parts,
        "tree": [branch._asdict() for branch in f.tree(full)],
        "looks": seen,
        "output_3_changes_with_token_5": {kind: rows[f.AT][f.CHANGED] for kind, rows in seen.items()},
        "can": can,
    }


def tree_block(name: str, facts: dict[str, Any]) -> list[str]:
    """A family's tree: a line for each part, with its parameters."""
    rows = [(" " * branch["depth"] + branch["name"], f"{branch['n_parameters']:,}") for branch in facts["tree"]]
    rows = [(f"{name}: {facts['checkpoint']}", f"{facts['n_parameters']:,}"), *rows]
    return ["  ".join(row) for row in aligned(rows, numbers=[1])]


def mask_block(title: str, seen: Rows) -> list[str]:
    """A mask in characters: ■ where the row's output depends on the column's token, · where not."""
    return [title, *(f"{i} {' '.join('■' if may else '·' for may in row)}" for i, row in enumerate(seen))]


def masks(found: dict[str, dict[str, Any]]) -> list[tuple[str, str, Rows]]:
    """Every mask that was found: the attention's kind, whose it is, and the mask."""
    owners: dict[tuple[bool, str], list[tuple[str, str, Any]]] = {}
    for name, facts in found.items():
        for kind, seen in facts["looks"].items():
            whose = name if len(facts["looks"]) == 1 else f"{name}'s {kind}"
            owners.setdefault((kind == "cross", str(seen)), []).append((kind, whose, seen))
    return [(each[0][0], ", ".join(whose for _, whose, _ in each), each[0][2]) for each in owners.values()]


def count_row(found: dict[str, dict[str, Any]], part: str) -> list[str]:
    """A part's parameters in each family, – where it has none."""
    counts = [facts["n_parameters"] if part == "all" else facts["parts"][part] for facts in found.values()]
    return [f"{n:,}" if n else "–" for n in counts]


def abilities(found: dict[str, dict[str, Any]]) -> list[list[str]]:
    """The table of what each can and cannot do: yes, no, – where it has no such attention."""
    answers = {True: "yes", False: "no", None: "–"}
    rows = [["", *found]]
    for kind, label in KINDS.items():
        changes = [facts["output_3_changes_with_token_5"] for facts in found.values()]
        rows.append([label, *(answers[each.get(kind)] for each in changes)])
    for i, label in enumerate(ABILITIES):
        rows.append([label, *(answers[[*facts["can"].values()][i]] for facts in found.values())])
    return rows


def side_by_side(blocks: Sequence[Sequence[str]], width: int) -> list[str]:
    """Blocks of lines beside each other, as many as there is room for, the others below; longer lines are clipped."""
    blocks = [[clip(line, width) for line in block] for block in blocks]
    widths, lines = [max(map(cells, block)) for block in blocks], list[str]()
    for row in fill(widths, width, len(GAP)):
        lines += [""] if lines else []
        for i in range(max(len(blocks[n]) for n in row)):
            parts = [pad(blocks[n][i] if i < len(blocks[n]) else "", widths[n]) for n in row]
            lines.append(GAP.join(parts).rstrip())
    return lines


def in_blocks(rows: Rows, width: int) -> list[str]:
    """A table whose columns, where they do not all fit, follow below in blocks that begin with the labels again."""
    grid = aligned(rows, range(1, len(rows[0])))
    first, *sizes = map(cells, grid[0])
    lines: list[str] = []
    for chosen in fill(sizes, max(1, width - first - 2), 2):
        lines += [""] if lines else []
        lines += [clip("  ".join([row[0], *(row[n + 1] for n in chosen)]), width).rstrip() for row in grid]
    return lines


def draw(found: dict[str, dict[str, Any]], args: argparse.Namespace) -> None:
    """The masks as a page or a PNG."""
    from minigpt.pictures.masks import BIDIRECTIONAL, CAUSAL, CROSS, Mask, mask_panels

    told = {"decoder": CAUSAL, "encoder": BIDIRECTIONAL, "cross": CROSS}
    panels = []
    for kind, whose, seen in masks(found):
        names = [str(i) for i in range(len(seen))]
        panels.append(Mask(told[kind][0], whose, told[kind][2], names, names, seen))
    drawing = mask_panels(panels, "Whose output changes with which token: GPT-2, BERT, BART, T5")
    if args.html:
        write_text(args.html, drawing.html())
    else:
        from minigpt.pictures.figure import save_png

        with replacing(args.png) as part:
            save_png(drawing, part)
    note(f"wrote {args.html or args.png}")
