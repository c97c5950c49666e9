"""Every picture of `minigpt show` as a reader meets it: python -m tests.pictures.gallery [FOLDER], by default
build/gallery. By chromium as a page on a phone and on a projector, by matplotlib, each in the light and in the dark;
index.html shows them side by side. `make gallery`.
"""

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

import torch
from tqdm import tqdm

import minigpt
from minigpt.commands.show_flags import LOOKS
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.pictures.drawing import Drawing
from minigpt.pictures.figure import save_png
from tests.pictures.browser import Browser
from tests.pictures.everywhere import a_run

ROOT = Path(__file__).parents[2]
PROMPTS = {
    "short": "The king",
    "usual": "Once upon a time there was a little",
    "long": "Once upon a time there was a little girl who lived with her grandmother in a small house at the edge of "
    "the forest, and every morning she went to the well to fetch water for the day.",
    "other": "日本の王様 said: “naïve” 🌟 <b> & $x$",
}
WORDS = {"word": "unbelievable", "text": "The old king's naïve 日本 🌟", "long": "antidisestablishmentarianism"}
MORE = {"layer": 1, "head": 2, "num_beams": 5, "max_new_tokens": 8, "temperature": 0.7, "top_k": 8, "top_p": 0.9}
WINDOWS = (("phone", 360, False), ("projector", 1280, False), ("projector", 1280, True))  # pixels wide, dark


def tiny_llama(lm: minigpt.LanguageModel) -> minigpt.LanguageModel:
    """A Llama of random weights with the tokenizer of another model: grouped queries, 24 layers of 16 heads."""
    assert lm.tokenizer is not None
    torch.manual_seed(0)
    config = LlamaConfig(lm.tokenizer.n_vocab, n_ctx=256, n_layer=24, n_head=16, n_kv_head=4, n_embd=64, n_inner=96)
    model = Llama(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape) * (1.0 if parameter.dim() == 1 else 0.2))
    return minigpt.LanguageModel(model, lm.tokenizer, name="tiny Llama")


def drawings(folder: Path) -> Iterator[tuple[str, Drawing]]:
    """Every look by name: of a GPT-2 with each prompt, with flags and without, and of a Llama."""
    run = {"run": str(a_run(folder / "run"))}
    storyteller = minigpt.load("storyteller", device="cpu")
    llama = tiny_llama(storyteller)
    for look, flags in LOOKS.items():
        given = {name: value for name, value in MORE.items() if name in flags}
        prompts = {"model": {"": ""}, "training": run, "merges": WORDS}.get(look, PROMPTS)
        for prompt, text in prompts.items():
            for more in ({}, given) if given else ({},):
                name = "-".join(filter(None, [look, prompt, "more" if more else ""]))
                yield name, getattr(storyteller.show, look)(*[text] * bool(text), **more)
        if prompts is PROMPTS or look == "model":
            yield f"{look}-llama", getattr(llama.show, look)(*[PROMPTS["usual"]] * (prompts is PROMPTS))


def files_of(name: str, drawing: Drawing, folder: Path, browser: Browser) -> Iterator[str]:
    """Writes one drawing in every way, and gives the names of the PNGs."""
    page = folder / f"{name}.html"
    page.write_text(drawing.html(), encoding="utf-8")
    (folder / f"{name}.svg").write_text(drawing.svg(), encoding="utf-8")
    for window, width, dark in WINDOWS:
        browser.open(page, width, dark, phone=window == "phone")
        file = f"{name}-{window}-{'dark' if dark else 'light'}.png"
        browser.screenshot(folder / file, width)
        yield file
    for dark in (False, True):
        file = f"{name}-matplotlib-{'dark' if dark else 'light'}.png"
        save_png(drawing, folder / file, dark)
        yield file


def main(folder: Path) -> None:
    """Draw them all and write index.html."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    with Browser() as browser:
        for name, drawing in tqdm(list(drawings(folder)), "drawing", unit="picture"):
            rows.append(f'<h2><a href="{name}.html">{name}</a>: {escape(drawing.title)}</h2>')
            for file in files_of(name, drawing, folder, browser):
                rows.append(f'<a href="{file}"><img loading="lazy" src="{file}" height="240" alt="{file}"></a>')
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>minigpt: every picture</title>'
    (folder / "index.html").write_text(head + "\n".join(rows) + "</html>\n", encoding="utf-8")
    print(folder / "index.html")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "gallery")
