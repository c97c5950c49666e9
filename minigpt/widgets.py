"""A playground for a notebook: a prompt, a model, its settings, Generate, Stop, and the text as it comes.

A thread does the work, so that other cells run meanwhile; it sets values of widgets, and prints nothing.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from html import escape
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from minigpt.commands.models import weight_bytes
from minigpt.language_model import LanguageModel, load
from minigpt.playground.texts import as_code, growing
from weights.families.known import FAMILIES
from weights.fetch.locate import local
from weights.fetch.registry import ENTRIES
from weights.report import size_text

if TYPE_CHECKING:
    from ipywidgets import VBox

Offered = LanguageModel | str | Path
STRATEGIES = {  # the settings that each one uses
    "sampling": ("temperature", "top_k", "top_p", "seed"),
    "greedy": (),
    "beam search": ("num_beams",),
}
TEXT = "<div style='white-space:pre-wrap;line-height:1.4'><b>{}</b>{}</div>"
CODE = "<details><summary>as code</summary><pre style='white-space:pre-wrap'>{}</pre></details>"
WRONG = "<span style='color:var(--jp-error-color1, #c62828)'>{}</span>"


def playground(models: Offered | Sequence[Offered] | None = None, prompt: str = "Once upon a time") -> "VBox":
    """A box of ipywidgets for the last line of a cell: type, choose, press Generate.

    It offers the models on this machine and, before them, those that are given: a `LanguageModel`, a name, a folder,
    or several. The text is that of `generate` with the same settings. Raises ImportError where ipywidgets is missing.
    """
    try:
        import ipywidgets
    except ImportError:
        raise ImportError('the playground needs ipywidgets: pip install "minigpt[notebook]"') from None
    given = [models] if isinstance(models, LanguageModel | str | Path) else list(models or ())
    return Playground(ipywidgets, named(given), prompt).box


def named(given: Sequence[Offered]) -> dict[str, Offered]:
    """The models by the names under which they are offered."""
    here = [entry.name for entry in ENTRIES if entry.family in FAMILIES and is_here(entry.name)]
    found: dict[str, Offered] = {}
    for model in given:
        name = (model.name or "unnamed") if isinstance(model, LanguageModel) else str(model)
        while isinstance(model, LanguageModel) and (name in here or name in found):
            name += " (given)"
        found[name] = model
    return found | {name: name for name in here if name not in found}


def is_here(name: str) -> bool:
    """Whether a model is on this machine; also if it is damaged, which Generate reports."""
    try:
        return local(name) is not None
    except (OSError, ValueError):
        return True


class Playground:
    """The widgets, and what happens when they are used."""

    def __init__(self, w: Any, models: dict[str, Offered], prompt: str) -> None:
        self.models, self.loaded, self.stopped = models, dict[str, LanguageModel](), Event()
        look = {"style": {"description_width": "6.5em"}, "layout": {"width": "auto"}}
        self.prompt = w.Textarea(prompt, description="Prompt", rows=3, **look)
        self.model = w.Dropdown(options=list(models), description="Model", **look)
        self.strategy = w.Dropdown(options=list(STRATEGIES), description="Strategy", **look)
        self.settings = {
            "temperature": w.FloatSlider(0.8, min=0, max=2, step=0.05, description="Temperature", **look),
            "top_k": w.IntText(50, description="Top-k", **look),
            "top_p": w.FloatSlider(1.0, min=0.05, max=1, step=0.05, description="Top-p", **look),
            "seed": w.IntText(0, description="Seed", **look),
            "num_beams": w.IntText(4, description="Beams", **look),
            "max_new_tokens": w.IntText(100, description="New tokens", **look),
        }
        self.generate = w.Button(description="Generate", button_style="primary", layout={"width": "8em"})
        self.stop = w.Button(description="Stop", disabled=True, layout={"width": "8em"})
        self.status, self.text, self.code = w.HTML(), w.HTML(), w.HTML()
        grid = w.Layout(grid_template_columns="repeat(auto-fill, minmax(20em, 1fr))", width="100%")
        knobs = w.GridBox([self.model, self.strategy, *self.settings.values()], layout=grid)
        self.chat = w.Checkbox(description="as a chat message", indent=False, layout={"width": "auto"})
        buttons = w.HBox([self.generate, self.stop, self.chat], layout={"flex_flow": "row wrap"})
        self.box = w.VBox([self.prompt, knobs, buttons, self.status, self.text, self.code])
        self.generate.on_click(self.begin)
        self.stop.on_click(lambda _: self.stopped.set())
        self.strategy.observe(lambda _: self.show_settings(), "value")
        self.show_settings()

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that the strategy uses."""
        return (*STRATEGIES[self.strategy.value], "max_new_tokens")

    def show_settings(self) -> None:
        """Show the strategy's settings, and hide the others."""
        for name, widget in self.settings.items():
            widget.layout.display = None if name in self.names else "none"

    def begin(self, _: object) -> None:
        """Start a text with the current values; a click while one is being written does nothing."""
        if not self.generate.disabled:
            self.generate.disabled, self.stop.disabled = True, False
            self.stopped.clear()
            given = {"temperature": 0} | {name: self.settings[name].value for name in self.names}
            args = (self.model.value, self.prompt.value, given, self.chat.value)
            Thread(target=self.write, args=args, daemon=True).start()

    def write(self, name: str, prompt: str, given: dict[str, Any], chat: bool) -> None:
        """Write the text, or what is wrong, in red."""
        head = escape(prompt + "\n\n" * chat)
        self.text.value, self.code.value = TEXT.format(head, ""), ""
        try:
            lm, start, n, why = self.lm(name), time.perf_counter(), 0, "length"
            with closing(growing(lm, prompt, given, chat)) as texts:
                for sequence in texts:
                    n, why = len(sequence.new_ids), sequence.finish_reason or "Stop"
                    self.text.value = TEXT.format(head, escape(sequence.text))
                    if self.stopped.is_set():
                        break
            self.status.value += f"; {n} tokens in {time.perf_counter() - start:.1f} s, ended by {why}"
            self.code.value = CODE.format(escape(as_code(self.models[name], prompt, given, chat)))
        except Exception as error:
            self.text.value = WRONG.format(escape((str(error) or repr(error)).splitlines()[0]))
        finally:
            self.stop.disabled, self.generate.disabled = True, False

    def lm(self, name: str) -> LanguageModel:
        """The model of that name, loaded when it is first needed; reports its size and the time taken."""
        lm, seconds = self.models[name], ""
        if not isinstance(lm, LanguageModel) and name not in self.loaded:
            found, start = local(lm), time.perf_counter()
            size = f"{size_text(weight_bytes(found.path))} on disk" if found else "not on this machine: to be fetched"
            self.status.value = escape(f"loading {name}, {size} …")
            self.loaded[name] = load(lm)
            seconds = f", loaded in {time.perf_counter() - start:.1f} s"
        lm = lm if isinstance(lm, LanguageModel) else self.loaded[name]
        memory = size_text(sum(p.numel() * p.element_size() for p in lm.model.parameters()))
        self.status.value = escape(f"{name}: {memory} of memory{seconds}")
        return lm
