"""Writes docs/pictures.md: every picture of `minigpt show`, with its flags and what it shows. `make pictures`."""

import inspect
from pathlib import Path

from minigpt.commands.flags import SAMPLING
from minigpt.commands.show_flags import LOOKS, flag
from minigpt.pictures.views import Views

HEAD = """# Pictures

Each is drawn from the model's own numbers: in the terminal by `minigpt show`, in a notebook by `lm.show`, as a file
with `--svg`, `--png` or `--html`. The functions in `minigpt/pictures/` draw the same from any numbers you give them.

```sh
minigpt show surprise "The king and his three daughters"
```

```python
import minigpt

lm = minigpt.load("storyteller")
picture = lm.show.attention("The king and his daughter", layer=1, head=2)  # the last line of a notebook's cell shows it
print(picture.description)
svg, page = picture.svg(), picture.html()
```

| picture | what it shows | flags |
|---|---|---|
"""
FOOT = """
- SVG and HTML need nothing else and load nothing. They are light or dark as the reader's system is; in JupyterLab,
  VS Code and Colab, as the notebook's theme is. A program that knows no style sheets shows them light. PNG needs
  matplotlib, and is dark with `--dark`.
- Amounts are shades of one colour, from paper to full. Every text on them has a contrast of 4.5 : 1 or more, no
  meaning hangs on a colour alone, and a title, a description and a table with the numbers serve a screen reader.
- `make gallery` draws all of them, for several texts and two models, by Chromium (on a phone, on a projector, in the
  dark) and by matplotlib, and puts them side by side in `build/gallery/index.html`.
"""


def page() -> str:
    """The page: a row for each look, with the first sentence of what `lm.show` says about it."""
    rows = []
    for look, names in LOOKS.items():
        told = " ".join((inspect.getdoc(getattr(Views, look)) or "").split()).split(". ")[0].rstrip(".")
        own = [f"`{flag(name)}`" for name in names if name not in SAMPLING]
        sampling = ["those of sampling"] if set(SAMPLING) & set(names) else []
        rows.append(f"| `{look}` | {told} | {', '.join(own + sampling)} |\n")
    return HEAD + "".join(rows) + FOOT


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(page(), encoding="utf-8")
