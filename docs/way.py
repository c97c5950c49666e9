"""Draws docs/way.svg, the README's picture: one step of the embedded model, with its own numbers. `make pictures`."""

from pathlib import Path
from xml.sax.saxutils import escape

import minigpt

PROMPT = "There was once"
INK, SOFT, BLUE, ORANGE = "#1b1f24", "#57606a", "#0550ae", "#bc4c00"


def text(
    x: float, y: float, words: str, size: int = 15, color: str = INK, anchor: str = "middle", mono: bool = False
) -> str:
    family = "ui-monospace, Menlo, Consolas, monospace" if mono else "system-ui, Segoe UI, Helvetica, Arial, sans-serif"
    style = f'font-size="{size}" fill="{color}" text-anchor="{anchor}" font-family="{family}" xml:space="preserve"'
    return f'<text x="{x}" y="{y}" {style}>{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, fill: str, line: str = "#8c959f") -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{line}"/>'


def arrow(x1: float, x2: float, y: float, label: str) -> str:
    line = f'<path d="M{x1} {y} H{x2 - 2}" stroke="{SOFT}" stroke-width="2" fill="none" marker-end="url(#tip)"/>'
    return line + text((x1 + x2) / 2, y - 9, label, 14, SOFT)


def picture() -> str:
    """The SVG: text, ids, blocks, the five most likely next tokens, and the way back."""
    lm = minigpt.load("storyteller", device="cpu")
    assert lm.tokenizer is not None
    ids = lm.tokenizer.encode(PROMPT)
    best = lm.next_tokens(PROMPT, 5, temperature=1.0)
    n_layer, n_embd = lm.model.config.n_layer, lm.model.config.n_embd
    parts = [box(0.5, 0.5, 1019, 303, "#ffffff", "#d0d7de"), text(66, 151, PROMPT, 14, BLUE, mono=True)]
    parts.append(arrow(126, 208, 146, "encode"))
    for i, id in enumerate(ids):
        y = 76 + 52 * i
        token = lm.tokenizer.decode([id]).replace(" ", "·")
        parts += [box(216, y, 96, 40, "#ddf4ff"), text(264, y + 17, token, 15, INK, mono=True)]
        parts.append(text(264, y + 33, str(id), 12, SOFT, mono=True))
    parts.append(arrow(320, 408, 146, "hidden"))
    for i in reversed(range(3)):
        parts.append(box(420 + 8 * i, 92 - 8 * i, 150, 124, "#fff8c5"))
    parts += [text(495, 136, "attention", 16), text(495, 160, "+ MLP", 16)]
    parts += [text(495, 190, f"{n_layer} blocks, C = {n_embd}", 13, SOFT)]
    parts.append(arrow(592, 686, 146, "unembed"))
    for i, token in enumerate(best):
        y = 74 + 30 * i
        parts.append(text(774, y + 15, token.text.replace(" ", "·"), 15, INK, "end", mono=True))
        parts.append(
            f'<rect x="784" y="{y}" width="{max(1.5, 300 * token.probability):.1f}" height="20" fill="#54aeff"/>'
        )
        parts.append(
            text(790 + max(1.5, 300 * token.probability), y + 15, f"{token.probability:.1%}", 13, SOFT, "start")
        )
    parts.append(text(826, 240, "softmax of the logits", 13, SOFT))
    back = f'<path d="M826 252 V276 H264 V242" stroke="{ORANGE}" stroke-width="2" fill="none" marker-end="url(#back)"/>'
    parts += [back, text(545, 267, "sample one, append it, position + 1; the cache keeps the past", 14, ORANGE)]
    parts.append(text(510, 36, f"one step of GPT-2 — the next token after “{PROMPT}”", 17, INK))
    tips = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 L8 4 L0 8 z" fill="{color}"/></marker>'
        for name, color in (("tip", SOFT), ("back", ORANGE))
    )
    likely = ", ".join(f"{token.text!r} {token.probability:.1%}" for token in best)
    title = f"<title>Text to ids, through {n_layer} blocks, to the next token</title><desc>{escape(likely)}</desc>"
    size = 'width="1020" height="304" viewBox="0 0 1020 304"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{title}<defs>{tips}</defs>{"".join(parts)}</svg>\n'
    )


if __name__ == "__main__":
    Path(__file__).with_name("way.svg").write_text(picture(), encoding="utf-8")
