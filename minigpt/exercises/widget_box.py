"""A learner's box of widgets as its user sees it: its contents, its values, the text that it shows."""

import re
from collections.abc import Callable, Iterator, Sequence
from html import unescape
from inspect import iscoroutine
from typing import Any

import ipywidgets as w

MODELS = ("storyteller", "gpt2")
STRATEGIES = ("greedy", "top-k", "top-p")
TEMPERATURES = (0.7, 0.4, 0.9, 1.3, 0.2)  # one that the slider has, and that it has not yet shown, is set
TEMPERATURE = "for the temperature that takes 0.5, such as a FloatSlider"
PLACES = (w.Output, w.HTML, w.HTMLMath, w.Label, w.Text, w.Textarea)  # what can show a text


def parts(widget: Any) -> Iterator[Any]:
    """A widget and all those inside it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def options(widget: Any, names: Sequence[str]) -> list[int] | None:
    """The indices of the names among a widget's options, by label or by value; None if one is missing."""
    labels, values = getattr(widget, "_options_labels", ()), getattr(widget, "_options_values", ())
    plain = [{str(one).lower().replace("_", "-") for one in pair} for pair in zip(labels, values, strict=True)]
    found = [next((n for n, both in enumerate(plain) if name in both), None) for name in names]
    return None if None in found else [n for n in found if n is not None]


def shown(widget: Any) -> str:
    """The text that a widget shows; for HTML what is outside its tags."""
    if isinstance(widget, w.Output):
        return "".join(out.get("text") or str(out.get("data", {}).get("text/plain", "")) for out in widget.outputs)
    if isinstance(widget, (w.HTML, w.HTMLMath)):
        return unescape(re.sub("<[^>]*>", "", re.sub("<br ?/?>|</p>|</div>", "\n", widget.value)))
    return str(widget.value)


class Box:
    """The widgets of a box by what they are for. TypeError for what is no box, LookupError if one is missing."""

    def __init__(self, made: Any) -> None:
        if not isinstance(made, w.Widget):
            raise TypeError(f"a box of widgets is asked for, such as VBox([…]), and this is a {type(made).__name__}")
        self.all = list(parts(made))
        self.model = self.one(lambda one: options(one, MODELS), "to choose a model by its name", "model")
        self.strategy = self.one(lambda one: options(one, STRATEGIES), 'for "greedy", "top-k", "top-p"', "strat")
        self.prompt = self.one(lambda one: isinstance(one, (w.Text, w.Textarea)), "for the prompt", "prompt")
        self.temperature = self.one(lambda one: type(getattr(one, "value", 0)) is float, TEMPERATURE, "temp")
        self.button = self.one(lambda one: isinstance(one, w.Button), "to click on", "generate")
        self.chosen = (self.model, self.strategy, self.prompt, self.temperature)
        self.places = [one for one in self.all if isinstance(one, PLACES) and one is not self.prompt]
        if not self.places:
            raise LookupError("the box has no widget that could show the text, such as an Output")
        self.start = self.values()

    def one(self, fits: Callable[[Any], Any], what: str, label: str) -> Any:
        """The widget that fits; of several, the one with the label, else the first."""
        found = [one for one in self.all if fits(one)]
        if not found:
            raise LookupError(f"the box has no widget {what}")
        return next((one for one in found if label in str(getattr(one, "description", "")).lower()), found[0])

    def values(self) -> dict[str, Any]:
        """What the widgets say."""
        chosen = {"model": (self.model, MODELS), "strategy": (self.strategy, STRATEGIES)}
        names = {
            field: next(
                (name for name, n in zip(names, options(one, names) or (), strict=False) if n == one.index), None
            )
            for field, (one, names) in chosen.items()
        }
        return {**names, "prompt": self.prompt.value, "temperature": self.temperature.value}

    def change(self, n: int) -> None:
        """Give every widget a value that it does not have, the n-th time."""
        before = (self.start["temperature"], self.temperature.value)
        self.prompt.value = f"A fox went out {n}"
        for one, names in ((self.model, MODELS), (self.strategy, STRATEGIES)):
            places = options(one, names) or [0]
            at = places.index(one.index) if one.index in places else -1
            one.index = places[(at + 1) % len(places)]
        for value in TEMPERATURES:
            if value not in before and self.temperature.value in before:
                self.temperature.value = value  # a slider keeps it between its ends

    def told(self, field: str, got: Any) -> Any:
        """What a model was given, compared with what the widgets say."""
        if isinstance(got, w.Widget):
            return "the widget itself, not its value"
        values = self.values()
        if got == values[field]:
            return "as chosen"
        other = next((f"the {name}" for name, value in values.items() if got == value), got)
        return "as it was at first" if got == self.start[field] else other

    def press(self) -> str:
        """Click, as a page does; returns what came of it. Raises what the click's own code raises."""
        if self.button.disabled:
            return "cannot be clicked: the button is disabled"
        did = "does nothing"
        for call in list(self.button._click_handlers.callbacks):
            if callable(call):  # ipywidgets logs an error for what is not, and nobody sees it
                done = call(self.button)
                did = "makes a coroutine that nobody awaits" if iscoroutine(done) else "returns at once"
                if iscoroutine(done):
                    done.close()
        return did

    def text(self, pieces: Sequence[str]) -> str:
        """The text in the box, without a prompt or a heading before it: it is where most of the pieces are."""
        known = [piece.strip() for piece in pieces if piece.strip()]
        text = max(map(shown, self.places), key=lambda text: sum(piece in text for piece in known))
        places = [text.find(piece) for piece in known if piece in text]
        return text[min(places) :].rstrip("\n") if places else ""
