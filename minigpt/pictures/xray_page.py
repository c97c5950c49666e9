"""The X-ray as HTML: one step at a time by buttons and arrow keys; where no script runs, all steps as a list."""

from collections.abc import Sequence
from html import escape

from torch import Tensor

from minigpt.analysis.xray import Line
from minigpt.pictures.colors import COLORS, FONT, on_tint, style
from minigpt.pictures.xray import headline
from minigpt.pictures.xray_cells import corner

LOOK = f"""
.xray{{color:var(--ink);background:var(--paper);padding:.5rem}}
.xray .keys{{display:none;flex-wrap:wrap;gap:.5rem;align-items:center;margin:.5rem 0}}
.xray.on .keys{{display:flex}}
.xray.on details:not([open]),.xray.on summary{{display:none}}
.xray button{{font:inherit;padding:.3rem .8rem;color:inherit;background:none;border:1px solid var(--soft);
border-radius:.3rem;cursor:pointer}}
.xray button:disabled{{opacity:.4;cursor:default}}
.xray :focus-visible{{outline:3px solid var(--tint)}}
.xray .both>div{{min-width:0}}
@media(min-width:100rem){{.xray .both{{display:grid;grid-template-columns:1fr 1fr;gap:0 2rem}}}}
.xray pre{{overflow-x:auto;margin:.3rem 0;font:.9em/1.5 {FONT};background:none;color:inherit}}
.xray pre span{{color:var(--soft)}}
.xray pre b{{font-weight:inherit;color:var(--ink);display:inline-block;width:100%;white-space:pre-wrap;
background:color-mix(in srgb,var(--tint) 14%,var(--paper))}}
.xray mark{{color:inherit;background:color-mix(in srgb,var(--tint) 40%,var(--paper))}}
.xray .wide{{overflow-x:auto}}
.xray table{{border-collapse:collapse;font:.85em/1.4 {FONT};margin:.4rem 0;color:inherit}}
.xray td,.xray th{{padding:.15rem .4rem;text-align:right;font-weight:400;border:1px solid var(--rule);white-space:pre}}
.xray th{{color:var(--soft)}}
.xray td.p{{background:color-mix(in srgb,var(--tint) calc(var(--s)*1%),var(--paper))}}
.xray td.n{{background:color-mix(in srgb,var(--second) calc(var(--s)*1%),var(--paper))}}
.xray td.f{{color:var(--paper)}}
.xray td.c{{outline:2px solid var(--ink);outline-offset:-2px}}
.xray p{{margin:.3rem 0}}.xray h2{{font-size:1.1em;margin:.3rem 0}}.xray .soft{{color:var(--soft)}}
""".replace("\n", "")

SCRIPT = """
for (const root of document.querySelectorAll('.xray:not(.on)')) {
  const steps = [...root.querySelectorAll('details')], [first, back, next, last] = root.querySelectorAll('button');
  const said = root.querySelector('output'), line = s => s.dataset.line;
  let at = 0;
  const show = n => {
    at = Math.max(0, Math.min(steps.length - 1, n));
    steps.forEach((s, i) => { s.open = i === at; });
    said.textContent = 'step ' + (at + 1) + ' of ' + steps.length;
    first.disabled = back.disabled = at === 0;
    next.disabled = last.disabled = at === steps.length - 1;
  };
  const leap = by => {
    let n = at;
    while (steps[n] && line(steps[n]) === line(steps[at])) n += by;
    if (by < 0) while (n > 0 && line(steps[n - 1]) === line(steps[n])) n -= 1;
    show(n);
  };
  const moves = { ArrowRight: () => show(at + 1), ' ': () => show(at + 1), ArrowLeft: () => show(at - 1),
    b: () => show(at - 1), Home: () => show(0), End: () => show(steps.length - 1),
    ArrowDown: () => leap(1), ArrowUp: () => leap(-1) };
  first.onclick = moves.Home; back.onclick = moves.b; next.onclick = moves.ArrowRight; last.onclick = moves.End;
  (root.dataset.page ? document : root).addEventListener('keydown', e => {
    if (e.ctrlKey || e.altKey || e.metaKey || !moves[e.key] || (e.key === ' ' && e.target.tagName === 'BUTTON')) return;
    e.preventDefault(); e.stopPropagation(); moves[e.key]();
  });
  root.classList.add('on');
  show(0);
}
"""


def page(lines: Sequence[Line], tokens: Sequence[str], title: str) -> str:
    """A page of its own, in the reader's light or dark mode."""
    paper = f":root{{color-scheme:light dark;background:light-dark({','.join(COLORS['paper'])})}}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width">'
        f"<style>{paper}body{{margin:.5rem;font:18px/1.5 system-ui,sans-serif}}</style></head>\n"
        f"<body>{fragment(lines, tokens, title, ' data-page=1')}</body></html>\n"
    )


def fragment(lines: Sequence[Line], tokens: Sequence[str], title: str, more: str = "") -> str:
    """The steps, for a page that has other content as well."""
    keys = "".join(
        f'<button type="button" aria-label="{name}">{sign}</button>'
        for sign, name in (("⇤", "first step"), ("←", "step back"), ("→", "next step"), ("⇥", "last step"))
    )
    hint = '<span class="soft">← → a step, ↑ ↓ a line, Home, End</span>'
    steps = "\n".join(step(line, at, tokens) for at, line in enumerate(lines))
    return (
        f'<div class="minigpt xray" tabindex="0" role="group" aria-label="{escape(title)}" '
        f'data-lm-suppress-shortcuts="true"{more}><style>{style()}{LOOK}</style>\n<h2>{escape(title)}</h2>'
        f'<div class="keys">{keys}<output aria-live="polite"></output>{hint}</div>\n{steps}\n'
        f"<script>{SCRIPT}</script></div>"
    )


def step(line: Line, at: int, tokens: Sequence[str]) -> str:
    """One step: the source with its line marked, the value, its numbers."""
    told = escape(headline(line))
    named = f"{line.name} = {line.expression}" if line.columns and line.name else line.expression
    where = f'<p class="soft">{escape(line.source.file)}, {escape(line.source.name)}</p>'
    changed = f"<p>{escape(line.changed)}</p>" if line.changed else ""
    value = table(line, tokens) if isinstance(line.value, Tensor) else ""
    return (
        f'<details{" open" * (not at)} data-line="{escape(line.source.name)} {line.number}">'
        f"<summary>{at + 1}. line {line.number}: {escape(named)}</summary>"
        f'<div class="both"><div>{where}<pre>{source(line)}</pre></div>'
        f"<div><p>{told}</p>{changed}{value}</div></div></details>"
    )


def source(line: Line) -> str:
    """The function, its line and the expression marked."""
    found = []
    for number, text in line.source.lines:
        if number != line.number:
            found.append(f"<span>  {number:>4} {escape(text, quote=False)}</span>")
            continue
        a, b = line.columns or (len(text) - len(text.lstrip()), len(text.partition("  # ")[0].rstrip()))
        parts = [escape(part, quote=False) for part in (text[:a], text[a:b], text[b:])]
        found.append(f"<b>&gt; {number:>4} {parts[0]}<mark>{parts[1]}</mark>{parts[2]}</b>")
    return "\n".join(found)


def table(line: Line, tokens: Sequence[str]) -> str:
    """The numbers, shaded: blue above 0, orange below; framed if only some have changed."""
    part = corner(line, tokens)
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in part.columns)
    rows = []
    for name, texts, shades, marks in zip(part.rows, part.texts, part.shades, part.changed, strict=True):
        numbers = [cell(*parts) for parts in zip(texts, shades, marks, strict=True)]
        rows.append(f"<tr><th scope=row>{escape(name)}</th>{''.join(numbers)}</tr>")
    note = f'<p class="soft">{escape(part.shown)}</p>' if part.shown else ""
    return f'<div class="wide"><table><tr><td></td>{head}</tr>\n' + "\n".join(rows) + f"</table></div>{note}"


def cell(text: str, shade: float, changed: bool) -> str:
    """One number.

    >>> cell("-0.50", -0.5, changed=False), cell("1.00", 1.0, changed=True)
    ('<td class="n" style="--s:50">-0.50</td>', '<td class="p f c" style="--s:100">1.00</td>')
    """
    kinds = ["p" if shade > 0 else "n"] * bool(shade) + ["f"] * (on_tint(abs(shade)) == "paper") + ["c"] * changed
    kind = f' class="{" ".join(kinds)}"' if kinds else ""
    return f"<td{kind}" + (f' style="--s:{abs(shade) * 100:.0f}"' if shade else "") + f">{escape(text)}</td>"
