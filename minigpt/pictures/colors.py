"""The colours of all pictures, by what they mean: one file works in light and in dark mode.

A style sheet inside the picture looks them up. Each element also carries its light colour itself, for programs that do
not know such style sheets: converters, slides.
"""

COLORS = {  # by meaning: on white, on black; shades of "tint" carry amounts, "second" stands against it
    "paper": ("#ffffff", "#000000"),
    "ink": ("#000000", "#ffffff"),
    "soft": ("#4f5963", "#b4bec9"),
    "rule": ("#c8d1d9", "#444c56"),
    "tint": ("#003f8a", "#62aef8"),  # at shade 0.7 black and white can both be read on it, at 4.5 : 1 (WCAG 2.2, 1.4.3)
    "second": ("#7b2500", "#fa8d1f"),
}
FLIP = 0.7  # up to this shade of "tint" or "second" a text on it is "ink", above it "paper"
DARK = (  # pages with a theme of their own, independent of the system's: JupyterLab, Colab, VS Code
    "body[data-jp-theme-light=false],html[theme=dark],body.vscode-dark,"
    "body.vscode-high-contrast:not(.vscode-high-contrast-light)"
)
LIGHT = "body[data-jp-theme-light=true],body.vscode-light,body.vscode-high-contrast-light"
FONT = "'DejaVu Sans Mono', Menlo, ui-monospace, Consolas, monospace"  # monospaced: columns line up


def on_tint(shade: float) -> str:
    """The colour of a text on a shade of "tint" or "second".

    >>> on_tint(0.2), on_tint(0.9)
    ('ink', 'paper')
    """
    return "paper" if shade > FLIP else "ink"


def style() -> str:
    """The colours: light, dark if the reader's system is, and following the notebook's theme if it is in one. A
    notebook's theme takes precedence over the system; if it says neither, the paper keeps the picture readable."""
    light, dark = ("".join(f"--{name}:{pair[i]};" for name, pair in COLORS.items()) for i in (0, 1))
    schemes = f".minigpt{{{light}}}@media(prefers-color-scheme:dark){{.minigpt{{{dark}}}}}"
    themes = f":is({DARK}) .minigpt{{{dark}}}:is({LIGHT}) .minigpt{{{light}}}"
    fills = "".join(f".minigpt .{name}{{fill:var(--{name})}}" for name in COLORS)
    strokes = "".join(f".minigpt [stroke='{pair[0]}']{{stroke:var(--{name})}}" for name, pair in COLORS.items())
    return f"{schemes}{themes}@supports(color:var(--ink)){{{fills}.minigpt .line{{fill:none}}{strokes}}}"
