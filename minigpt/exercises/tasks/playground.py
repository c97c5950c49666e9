"""Lesson 12: a playground of widgets.

How the box is laid out is free, and so is each widget's kind: a Text for the prompt, radio buttons for a model, an HTML
or a Textarea for the text. So is whether the prompt is shown before the text, and how work is put off: by a thread, an
executor, or a task of asyncio that waits between two pieces. An HTML without `pre-wrap` loses line ends on the page:
that is layout, too, and passes.
"""

from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.exercises.widget_user import Click, use

try:
    import ipywidgets as widgets
except ImportError:  # `cases` says so
    widgets = None


def playground(models: dict[str, Callable[[str, str, float], Iterator[str]]]) -> Any:
    """A box of widgets in which a model continues a prompt.

    models[name](prompt, strategy, temperature) gives a text piece by piece; the strategies are
    "greedy", "top-k" and "top-p". The box has a widget for the prompt, one to choose the model by
    its name, one for the strategy, a slider for the temperature, a button, and a place for the
    text. A click reads the values, clears the old text and starts a thread that shows the pieces
    of the new one as they come; the click itself returns at once.
    """
    # BEGIN SOLUTION
    prompt = widgets.Textarea(value="Once upon a time", description="Prompt")
    model = widgets.Dropdown(options=list(models), description="Model")
    strategy = widgets.Dropdown(options=["greedy", "top-k", "top-p"], description="Strategy")
    temperature = widgets.FloatSlider(value=0.8, min=0.1, max=2.0, description="Temp.")
    button = widgets.Button(description="Generate")
    text = widgets.Output()

    def show(pieces: Iterator[str]) -> None:
        for piece in pieces:
            text.append_stdout(piece)

    def generate(_: object) -> None:
        text.outputs = ()
        pieces = models[model.value](prompt.value, strategy.value, temperature.value)
        Thread(target=show, args=(pieces,)).start()

    button.on_click(generate)
    return widgets.VBox([prompt, model, strategy, temperature, button, text])
    # END SOLUTION


def cases() -> list[Case]:
    """A click on the box as it is built, one after every value was changed, several; odd characters, and no text."""
    if widgets is None:
        raise ImportError('this exercise needs ipywidgets: pip install "minigpt[notebook]"')
    first, second, odd = (
        Click((" one", " two", " three"), changed=False),
        Click((" four", "five")),
        Click((" a<b>c", "&lt;")),
    )
    return [
        Case((first,)),
        Case((odd,)),
        Case((second, Click((" six", " seven", "\n", "eight"), changed=False), Click(("nine",)))),
        Case((second, Click(()))),
    ]


READ = "models[model.value](prompt.value, strategy.value, temperature.value)"
START = "Thread(target=show, args=(pieces,)).start()"
BOUND, CLEAR, APPEND = "button.on_click(generate)", "        text.outputs = ()\n", "text.append_stdout(piece)"
LOOP = "for piece in pieces:\n            text.append_stdout(piece)"
DEFINED = "    def show("


def early(*names: str) -> tuple[str, ...]:
    """The edits that read some values when the box is built."""
    lines = "".join(f"    {name}_then = {name}.value\n" for name in names)
    edits = [edit for name in names for edit in (f"{name}.value", f"{name}_then")]
    return *edits, DEFINED, f"{lines}\n{DEFINED}"


EXERCISE = Exercise(
    lesson="12",
    part=playground,
    make_cases=cases,
    use=use,
    hints=(
        "Make the widgets one by one, each with a name, and return a VBox of them.",
        "button.on_click(generate) wants a function of one argument. In it read the values; then start a Thread.",
        "text.outputs = (), then Thread(target=show, args=(pieces,)).start(); show does text.append_stdout(piece).",
    ),
    bugs=(
        bug("button_not_bound", "does nothing on a click: no function is bound to the button", f"    {BOUND}\n", ""),
        bug(
            *("called_at_once", "calls its function when the box is built, instead of handing it over to the button"),
            *(BOUND, "button.on_click(generate(button))"),
        ),
        bug(
            *("runs_on_change", "asks a model whenever a value is changed, not at a click alone"),
            *(BOUND, f"{BOUND}\n    for one in (prompt, model, temperature):\n        one.observe(generate, 'value')"),
        ),
        bug(
            *("value_read_early", "reads the values when the box is built, so that what is chosen later has no effect"),
            *early("model", "prompt", "strategy", "temperature"),
        ),
        bug(
            *("value_read_late", "reads values in the thread, not in the click: what is changed right after it counts"),
            *(f"        pieces = {READ}\n", "", START, f"Thread(target=lambda: show({READ})).start()"),
        ),
        bug("prompt_read_early", "takes the prompt of the beginning, whatever is typed", *early("prompt")),
        bug("model_read_early", "asks the model of the beginning, whichever is chosen", *early("model")),
        bug("strategy_read_early", "takes the strategy of the beginning, whichever is chosen", *early("strategy")),
        bug("temperature_read_early", "takes the temperature of the beginning", *early("temperature")),
        bug(
            *("widgets_for_values", "hands over the widgets themselves: prompt is a widget, prompt.value its text"),
            *(READ, "models[model.value](prompt, strategy, temperature)"),
        ),
        bug(
            *("arguments_swapped", "hands over temperature and strategy in the wrong order"),
            *(READ, "models[model.value](prompt.value, temperature.value, strategy.value)"),
        ),
        bug("no_clear", "leaves the old text before the new one", CLEAR, ""),
        bug(
            *("clear_output", "clears by clear_output(), which is late: it takes a thread's first piece away, too"),
            *(CLEAR, "        text.clear_output()\n"),
        ),
        bug(
            *(
                "output_in_thread",
                "prints after the click: what a thread prints does not reach the box, with text: or not",
            ),
            *(APPEND, 'with text:\n                print(piece, end="", flush=True)'),
        ),
        bug(
            *("blocking", "makes the whole text within the click, so that no other cell can run meanwhile"),
            *(START, "show(pieces)"),
        ),
        bug("thread_not_started", "makes a thread and does not start it", START, "Thread(target=show, args=(pieces,))"),
        bug(
            *("at_the_end", "shows nothing until the whole text is there"),
            *(LOOP, 'text.append_stdout("".join(pieces))'),
        ),
        bug(
            *("newest_only", "shows each piece in the place of the one before, not after it"),
            *(APPEND, 'text.outputs = ({"output_type": "stream", "name": "stdout", "text": piece},)'),
        ),
        bug("first_only", "shows the first piece alone", LOOP, "text.append_stdout(next(pieces, ''))"),
        bug("lines", "puts every piece on a line of its own", APPEND, 'text.append_stdout(piece + "\\n")'),
        bug(
            "blanks",
            "puts a blank after every piece, which has its blanks already",
            APPEND,
            'text.append_stdout(piece + " ")',
        ),
        bug("stripped", "takes the blanks away with which pieces begin", APPEND, "text.append_stdout(piece.strip())"),
        bug(
            *("not_escaped", "puts the text into HTML as it is: a < in it begins a tag, and is not seen"),
            *("text = widgets.Output()", "text = widgets.HTML()", CLEAR, '        text.value = ""\n'),
            *(APPEND, "text.value += piece"),
        ),
    ),
)
