"""The handout as one page: it needs no network, follows the reader's light or dark, and prints."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from minigpt.lecture.handout_notebook import joined, legend
from minigpt.lecture.handout_pictures import heat_map
from minigpt.lecture.handout_record import Event, Handout, Part, Row, Value
from minigpt.pictures.colors import COLORS, FONT, style

LIGHT = "".join(f"--{name}:{pair[0]};" for name, pair in COLORS.items())
LOOK = f"""
:root{{color-scheme:light dark;background:light-dark({",".join(COLORS["paper"])})}}
body{{margin:0 auto;padding:1rem;max-width:73rem;font:17px/1.5 system-ui,sans-serif;color:var(--ink)}}
h1,h2,h3{{line-height:1.25;margin:1.6em 0 .4em}}h1{{margin-top:.4em}}h3{{font-size:1em}}
p{{margin:.5em 0;max-width:46rem}}.soft{{color:var(--soft)}}
pre,code{{font-family:{FONT};font-size:.9em}}
pre{{margin:.5em 0;padding:.6em 0;overflow-x:auto;border:1px solid var(--rule);border-radius:.3rem;line-height:1.45}}
.code span{{display:block;min-width:max-content;padding:0 .7em 0 0;border-left:.25rem solid transparent}}
.code span::before{{content:" ";display:inline-block;width:1.6em;text-align:center;color:var(--tint)}}
.code .own{{border-color:var(--tint);background:color-mix(in srgb,var(--tint) 14%,var(--paper))}}
.code .own::before{{content:"+"}}
.code .gone{{border-color:var(--second)}}.code .gone::before{{content:"-";color:var(--second)}}
pre.said{{padding:.6em .8em;white-space:pre-wrap;overflow-wrap:anywhere}}
.event{{margin:.8em 0;padding:.1em .9em;border-left:.25rem solid var(--second)}}
.event.question{{border-color:var(--tint)}}
.two{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(18rem,100%),1fr));gap:0 1rem}}
.try{{margin:.7em 0}}.try pre{{border:0;padding:.2em .8em;margin:0}}.try figure{{margin:.3em .8em;overflow-x:auto}}
.wide{{overflow-x:auto}}table{{border-collapse:collapse}}
td,th{{padding:.2em .9em .2em 0;text-align:right;vertical-align:top;border-bottom:1px solid var(--rule)}}
tr>:first-child{{text-align:left}}
@media print{{html .minigpt{{{LIGHT}}}:root{{background:#fff}}body{{font-size:11pt;max-width:none;padding:0}}
pre{{white-space:pre-wrap;overflow-wrap:anywhere;font-size:8pt}}.code span{{min-width:0}}
h1,h2,h3{{break-after:avoid}}.code span,tr,figure,.try,.event p{{break-inside:avoid}}}}
""".replace("\n", "")


def page(told: Handout) -> str:
    """The page."""
    title = escape(told.lecture.title)
    n, n_steps = len(told.parts), len(told.lecture.steps)
    held = f"{n} of {n_steps} steps" if n < n_steps else f"{n} step{'s' * (n != 1)}"
    inside = [
        f"<h1>{title}</h1><p>{escape(joined(told.lecture.about))}</p><p class=soft>Held on {told.day}: {held}.</p>",
        timetable(told),
        *(of_event(told, event) for event in told.before),
        *(section(told, part) for part in told.parts),
        closing(told),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{style()}{LOOK}</style></head>\n'
        f'<body class="minigpt"><main>\n{chr(10).join(inside)}\n</main></body></html>\n'
    )


def timetable(told: Handout) -> str:
    """When each step came, beside the plan."""
    rows = "\n".join(
        f"<tr><td>{p.step.number}. {escape(p.step.title)}</td><td>{p.planned:.0f}</td><td>{p.reached:.0f}</td></tr>"
        for p in told.parts
    )
    head = "<tr><th scope=col>step</th><th scope=col>planned, min</th><th scope=col>reached, min</th></tr>"
    return f"<div class=wide><table>{head}\n{rows}</table></div>"


def section(told: Handout, part: Part) -> str:
    """One step."""
    found = [f"<section><h2>{part.step.number}. {escape(part.step.title)}</h2>"]
    if part.step.ask:
        found.append(f"<p><strong>To the hall:</strong> {escape(joined(part.step.ask))}</p>")
    found += [f"<p>{escape(joined(part.step.say))}</p>", listing(part.rows)]
    found += [tried(value) for value in part.values]
    found += [of_event(told, event) for event in part.events]
    return "\n".join([*found, "</section>"])


def listing(rows: Iterable[Row]) -> str:
    """Lines of the file, the lecturer's own marked."""
    lines = [f"<span{' class=own' * row.own}>{escape(row.text, quote=False) or ' '}</span>" for row in rows]
    return f"<pre class=code>{''.join(lines)}</pre>" if lines else ""


def tried(value: Value) -> str:
    """A try and what it gave, a few numbers also as a picture."""
    drawing = heat_map(value.rows, value.source).svg() if value.rows else ""
    drawn = f"<figure>{drawing.replace(f'<style>{style()}</style>', '')}</figure>" if drawing else ""  # the page has it
    source, gave, out = (escape(words, quote=False) for words in (value.source, value.text, value.printed))
    printed = f"<pre class=soft>{out}</pre>" if out else ""
    return f"<div class=try><pre><strong>{source}</strong></pre>{printed}<pre>{gave}</pre>{drawn}</div>"


def of_event(told: Handout, event: Event) -> str:
    """A question, an X-ray, a break."""
    at = told.at(event)
    if event.kind == "break":
        looks = {"+": "own", "-": "gone"}
        lines = "".join(f"<span class={looks[line[0]]}>{escape(line[2:], quote=False)}</span>" for line in event.lines)
        texts = "".join(
            f"<div><h3>{head}</h3><pre class=said>{escape(words.strip(), quote=False)}</pre></div>"
            for head, words in (("It then wrote", event.wrote), ("Right is", event.right))
        )
        head = f"<p><strong>Broken on purpose, {at}: {escape(event.says)}</strong></p>"
        return f"<div class='event break'>{head}<pre class=code>{lines}</pre><div class=two>{texts}</div></div>"
    kind = "X-ray" if event.kind == "xray" else "From the hall"
    says = f"<p><strong>{kind}, {at}:</strong> {escape(event.says)}</p>"
    return f"<div class='event {event.kind}'>{says}{event.drawn}</div>"


def closing(told: Handout) -> str:
    """The file as it stands at the end, and what it writes."""
    pairs = dict.fromkeys(
        f"<code>{escape(new)}</code> for <code>{escape(old)}</code>" for (_, old), new in told.changes.items()
    )
    names = f"<p>Names as they were chosen: {', '.join(pairs)}.</p>" if pairs else ""
    marks = f"<p class=soft>{legend(told.rows)}</p>" if legend(told.rows) else ""
    found = f"<section><h2>The file as it was held</h2>{names}{marks}{listing(told.rows)}"
    if told.wrote is not None:
        words = escape(told.wrote.strip(), quote=False)
        found += f"<h3>{told.writes}</h3><pre class=said>{words}</pre>"
    return f"{found}</section>"
