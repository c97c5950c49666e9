"""The handout: a lecture as it was held, for those who attended, as a notebook and as a page.

Everything in it was said, typed or asked this time: since the start, or since the last `goto 0`, as after a rehearsal.
What the tries and the broken files give is computed anew, by the warm process.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from minigpt.lecture.clock import beginning
from minigpt.lecture.handout_cells import definitions
from minigpt.lecture.handout_pictures import xray
from minigpt.lecture.handout_record import Event, Handout, Part, Row, Value
from minigpt.lecture.held import Held
from minigpt.lecture.history import History, State
from minigpt.lecture.lines import trouble
from minigpt.lecture.merging import BLANK, Sides, Way
from minigpt.lecture.renaming import renamed
from tokenizer.fetch.atomic import write_text

SHOWN = "minigpt.lecture.handout_values.shown"


def write(held: Held) -> list[Path]:
    """Writes the notebook and the page beside the working file, and returns their paths. Raises ValueError if nothing
    was held yet, OSError if they cannot be written."""
    from minigpt.lecture.handout_html import page
    from minigpt.lecture.handout_notebook import notebook

    told = gathered(held)
    paths = [held.file.path.with_name(f"{held.lecture.name}-handout{end}") for end in (".ipynb", ".html")]
    for path, text in zip(paths, (notebook(told), page(told)), strict=True):
        write_text(path, text)
    return paths


def gathered(held: Held) -> Handout:
    """What a lecture has been so far."""
    with held.file.alone():
        states, present, zero = this_time(held.history), held.history.present, beginning(held.history)
    first = states[0]
    n_steps = max(state.step for state in states)
    if not n_steps:
        raise ValueError(f"nothing of {held.lecture.name} has been held yet: minigpt lecture next types the first step")
    events = sorted([*notes(held, first), *breaks(held, states)], key=lambda event: event.time)
    parts, known, setup_from = [], definitions(first.text), 0
    text, open_tries, planned = first.text, list[str](), 0.0
    for step in held.lecture.steps[:n_steps]:
        state = next((one for one in states if one.step >= step.number and not trouble(one.text)), present)
        told = shown(held, state.text, [*open_tries, *step.tries])
        code = definitions(state.text) if told["right"] else known
        values = [Value(**value) for value in told.get("values") or []]
        open_tries = [] if values or not step.tries else [*open_tries, *step.tries]
        setup_from = setup_from or (step.number if values else 0)
        mine = [event for event in events if event.step == step.number]
        new = [cell for cell in code if cell not in known]
        rows = marked(held, state, text)
        parts.append(Part(step, planned, (state.time - zero) / 60, rows, new, values, mine))
        text, known, planned = state.text, code, planned + step.minutes
    told, wrote = written(held, present) if present.step == held.n_steps else ({"right": False}, "")
    return Handout(
        lecture=held.lecture,
        begun=zero,
        head=definitions(first.text),
        before=[event for event in events if not event.step],
        parts=parts,
        rows=marked(held, present),
        changes=sides(held, present).changes,
        setup_from=setup_from,
        after=[cell for cell in definitions(present.text) if cell not in known] if told["right"] else [],
        wrote=wrote if told["right"] else None,
        prints=bool(told.get("printed")),
    )


def laid_down(history: History, state: State) -> State:
    """The state with which the lecture that led to this one began: the start, or the last `goto 0` before."""
    while state.how != "goto 0" and state.parent != state.number:
        state = history.states[state.parent]
    return state


def this_time(history: History) -> list[State]:
    """The states since it was laid down, beginning with those that led to the present one."""
    led, first = [history.present], laid_down(history, history.present)
    while led[-1] is not first:
        led.append(history.states[led[-1].parent])
    others = [state for state in history.states if laid_down(history, state) is first and state not in led]
    return [*reversed(led), *others]


def shown(held: Held, text: str, tries: list[str]) -> dict[str, Any]:
    """What tries give in a file."""
    job = {"do": SHOWN, "text": text, "name": held.file.path.name, "setup": held.lecture.setup, "tries": tries}
    return held.kernel.ask(job)


def notes(held: Held, first: State) -> list[Event]:
    """The audience's questions, and the X-rays that were drawn."""
    kept = [note for note in held.history.notes if note["time"] >= first.time]
    drawn = [xray(note["says"]) if note["note"] == "xray" else "" for note in kept]
    return [
        Event(note["note"], note["says"], note["time"], note["step"], drawn=picture)
        for note, picture in zip(kept, drawn, strict=True)
    ]


def breaks(held: Held, states: list[State]) -> list[Event]:
    """The mistakes that were planted, each once, with what the model then writes."""
    found: dict[str, Event] = {}
    for state in sorted(states, key=lambda state: state.number):
        word, _, name = state.how.partition(" ")
        if word == "break" and name not in found:
            does = next((each.does for each in held.lecture.breaks if each.name == name), "")
            lines = changed(held.history.states[state.parent].text, state.text)
            wrote = written(held, state)[1]
            says = f"{name}: {does}"
            found[name] = Event("break", says, state.time, state.step, lines, wrote, held.trials.expected())
    return [*found.values()]


def changed(before: str, after: str) -> tuple[str, ...]:
    """The lines that differ.

    >>> changed("a\\nb", "a\\nc")
    ('- b', '+ c')
    """
    old, new = before.split("\n"), after.split("\n")
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    places = [(old[a:b], new[c:d]) for tag, a, b, c, d in codes if tag != "equal"]
    return tuple(f"{sign} {line}" for pair in places for sign, lines in zip("-+", pair, strict=True) for line in lines)


def sides(held: Held, state: State) -> Sides:
    """A state beside the reference, with the lecturer's names worked out."""
    lines = state.text.split("\n")
    return Sides.of(held.lecture, state.step, lines, lines, state.changes)


def written(held: Held, state: State) -> tuple[dict[str, Any], str]:
    """How a state runs in the whole program: what it writes there, or why it does not."""
    mine, pieces = sides(held, state), list[str]()
    told = held.trials.perform(Way(mine.mine, state.step, mine.changes, mine.whole()), pieces.append)
    return told, "".join(pieces if told["right"] else [*pieces, "\n".join(told["lines"])])


def marked(held: Held, state: State, before: str | None = None) -> list[Row]:
    """The lines of a state, the lecturer's own marked; only the new ones where the text before is given."""
    both, lines, known = sides(held, state), state.text.split("\n"), set[int]()
    theirs = matched(both.reference(state.step), lines)
    if before is not None:  # a line with another name is not new
        known = matched(before.split("\n") if trouble(before) else renamed(before.split("\n"), both.changes), lines)
    rows = [Row(line, i not in theirs and bool(line.strip())) for i, line in enumerate(lines) if i not in known]
    return trimmed([row for row in rows if BLANK not in row.text])


def matched(old: list[str], new: list[str]) -> set[int]:
    """The numbers of the new lines that are among the old ones, in order."""
    blocks = SequenceMatcher(None, [line.rstrip() for line in old], [line.rstrip() for line in new], autojunk=False)
    return {block.b + i for block in blocks.get_matching_blocks() for i in range(block.size)}


def trimmed(rows: list[Row]) -> list[Row]:
    """Without empty lines at the ends."""
    full = [i for i, row in enumerate(rows) if row.text.strip()]
    return rows[full[0] : full[-1] + 1] if full else []
