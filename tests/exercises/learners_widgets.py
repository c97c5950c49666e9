"""What learners write for lesson 12: right in other styles, with the bank's bugs, with others."""

from collections.abc import Callable
from typing import Any

from tests.exercises.written import both, slips, written

Part = Callable[..., Any]

# ---- playground: with HTML and a thread; a class with a Textarea and an executor; an Output and a Thread of its own
# ---- kind; tasks of asyncio

HTML = """
import html
import threading
import ipywidgets as widgets

def playground(models):
    box_prompt = widgets.Text(value="Tell me a fun fact about space.", description="Prompt:")
    which = widgets.RadioButtons(options=[(name.upper(), name) for name in models])
    how = widgets.Dropdown(options=[("Greedy", "greedy"), ("Top-k", "top-k"), ("Top-p", "top-p")])
    temp = widgets.FloatText(1.0)
    go = widgets.Button(description="Generate!", button_style="primary")
    title, out = widgets.HTML("<h3>A playground</h3>"), widgets.HTML("")

    def run(name, prompt, strategy, t):
        shown = ""
        for piece in models[name](prompt, strategy, t):
            shown += piece
            out.value = f"<pre>{html.escape(shown)}</pre>"

    def on_click(b):
        out.value = ""
        threading.Thread(target=run, args=(which.value, box_prompt.value, how.value, temp.value)).start()

    go.on_click(on_click)
    return widgets.VBox([title, box_prompt, which, how, temp, go, out])
"""
CLASS = """
from concurrent.futures import ThreadPoolExecutor
from ipywidgets import *

class Ui:
    def __init__(self, models):
        self.models = models
        self.out = Textarea(disabled=True, rows=10)
        self.prompt = Textarea("Hello my name")
        self.temperature = FloatSlider(0.7, max=1.5, description="Temp")
        self.strategy = ToggleButtons(options=["greedy", "top-k", "top-p"])
        self.model = Select(options=list(models))
        self.button = Button(description="Generate")
        self.clear = Button(description="Clear")
        self.pool = ThreadPoolExecutor(1)
        self.clear.on_click(self.empty)
        self.button.on_click(self.start)
        knobs = Accordion([VBox([self.model, self.strategy, self.temperature])])
        self.box = HBox([VBox([self.prompt, knobs, HBox([self.clear, self.button])]), self.out])

    def empty(self, _=None):
        self.out.value = ""

    def settings(self):
        return self.prompt.value, self.strategy.value, self.temperature.value

    def start(self, _):
        self.empty()
        self.job = self.pool.submit(self.work, self.model.value, *self.settings())

    def work(self, name, *settings):
        for piece in self.models[name](*settings):
            self.out.value += piece

def playground(models):
    return Ui(models).box
"""
JOB = """
from threading import Thread
from ipywidgets import *

def playground(models):
    ui = {
        "prompt": Textarea("Once"),
        "model": Dropdown(options=models),
        "strategy": Dropdown(options=["greedy", "top-k", "top-p"], value="top-p"),
        "temperature": BoundedFloatText(0.9, min=0, max=3),
    }
    go, out = Button(description="Generate"), Output(layout={"border": "1px solid"})

    class Job(Thread):
        def __init__(self, pieces):
            super().__init__(daemon=True)
            self.pieces = pieces

        def run(self):
            for piece in self.pieces:
                out.append_stdout(piece)

    @go.on_click
    def clicked(button):
        values = {name: widget.value for name, widget in ui.items()}
        out.outputs = []
        Job(values.pop("model")(**values)).start()

    return VBox([Tab([VBox(list(ui.values()))]), go, out])
"""
ASYNC = """
import asyncio
import ipywidgets as w

def playground(models):
    names = list(models)
    prompt, out = w.Textarea("Once upon a time"), w.Label()
    model = w.Dropdown(options=names, value=names[-1], description="Model")
    strategy = w.Dropdown(options=("greedy", "top-k", "top-p"), description="Strategy")
    top_p = w.FloatSlider(0.9, description="Top-p")
    temperature = w.FloatLogSlider(1.0, min=-1, max=0.3, description="Temperature")
    button = w.Button(description="generate")
    tasks = set()

    async def write(stream):
        for piece in stream:
            out.value += piece
            await asyncio.sleep(0)

    def clicked(_):
        out.value = prompt.value
        stream = models[model.value](prompt.value, strategy.value, temperature.value)
        tasks.add(asyncio.get_event_loop().create_task(write(stream)))

    button.on_click(clicked)
    return w.VBox([top_p, prompt, model, strategy, temperature, button, out])
"""
H_ARGS = "args=(which.value, box_prompt.value, how.value, temp.value)"
H_CLICK = "    def on_click(b):\n"
H_START = f"threading.Thread(target=run, {H_ARGS}).start()"
H_SHOW = 'out.value = f"<pre>{html.escape(shown)}</pre>"'
H_GO = "go.on_click(on_click)"
C_START = "self.job = self.pool.submit(self.work, self.model.value, *self.settings())"
C_READ, C_SHOW = "return self.prompt.value, self.strategy.value, self.temperature.value", "self.out.value += piece"
C_GO = "self.button.on_click(self.start)"
C_LOOP = "for piece in self.models[name](*settings):\n            self.out.value += piece"
J_READ = "values = {name: widget.value for name, widget in ui.items()}"
J_START, J_SHOW = 'Job(values.pop("model")(**values)).start()', "out.append_stdout(piece)"
J_LOOP = "for piece in self.pieces:\n                out.append_stdout(piece)"
J_GO = "    @go.on_click\n"

PLAYGROUND_RIGHT: list[Part] = [
    *map(written, (HTML, CLASS, JOB, ASYNC)),
    written(JOB, J_SHOW, 'out.append_stdout(piece)\n            print("done")'),
    written(HTML, 'shown = ""', "shown = out.value"),  # what its own click has emptied
    written(HTML, "<pre>", "<div style='white-space:pre-wrap'><b>Text:</b> {box_prompt.value}", "</pre>", "</div>"),
]
PLAYGROUND = both(
    slips(
        HTML,
        button_not_bound=(H_GO, "pass"),
        called_at_once=(H_GO, "go.on_click(on_click(go))"),
        runs_on_change=(H_GO, "go.on_click(on_click)\n    temp.observe(on_click, names='value')"),
        value_read_early=(
            *(H_CLICK, "    values = (which.value, box_prompt.value, how.value, temp.value)\n\n" + H_CLICK),
            *(H_ARGS, "args=values"),
        ),
        value_read_late=(H_START, f"threading.Thread(target=lambda: run({H_ARGS[6:-1]})).start()"),
        prompt_read_early=("box_prompt.value, how", "'Tell me a fun fact about space.', how"),
        model_read_early=(H_ARGS, H_ARGS.replace("which.value", "list(models)[0]")),
        strategy_read_early=(H_ARGS, H_ARGS.replace("how.value", "'greedy'")),
        temperature_read_early=(H_CLICK, "    t = temp.value\n" + H_CLICK, H_ARGS, H_ARGS.replace("temp.value", "t")),
        widgets_for_values=(H_ARGS, "args=(which.value, box_prompt, how, temp)"),
        arguments_swapped=(H_ARGS, "args=(which.value, box_prompt.value, temp.value, how.value)"),
        no_clear=('shown = ""', "shown = html.unescape(out.value[5:-6])", '        out.value = ""\n', ""),
        blocking=(H_START, "run(which.value, box_prompt.value, how.value, temp.value)"),
        thread_not_started=(H_START, H_START.removesuffix(".start()")),
        at_the_end=(f"            {H_SHOW}", f"        {H_SHOW}"),
        newest_only=("shown += piece", "shown = piece"),
        lines=("{html.escape(shown)}", "{html.escape(shown)}", "shown += piece", 'shown += piece + "\\n"'),
        blanks=("shown += piece", 'shown += f"{piece} "'),
        stripped=("shown += piece", "shown += piece.strip()"),
        not_escaped=("html.escape(shown)", "shown"),
        first_only=(f"            {H_SHOW}", f"            {H_SHOW}\n            return"),
    ),
    slips(
        CLASS,
        button_not_bound=(f"        {C_GO}\n", ""),
        called_at_once=(C_GO, "self.button.on_click(self.start(self.button))"),
        runs_on_change=(
            C_GO,
            C_GO + "\n        for one in (self.prompt, self.temperature, self.model):\n"
            "            one.observe(lambda change: self.start(None), 'value')",
        ),
        value_read_early=(
            *(
                "self.pool = ThreadPoolExecutor(1)",
                "self.pool = ThreadPoolExecutor(1)\n        self.now = self.settings()",
            ),
            *("*self.settings())", "*self.now)"),
            *(
                "self.model = Select(options=list(models))",
                "self.model = Select(options=list(models))\n        self.name = self.model.value",
            ),
            *("self.work, self.model.value", "self.work, self.name"),
        ),
        value_read_late=(
            *(C_START, "self.job = self.pool.submit(self.work, self.model.value)", "def work(self, name, *settings)"),
            *("def work(self, name)", "self.models[name](*settings)", "self.models[name](*self.settings())"),
        ),
        prompt_read_early=(
            *('Textarea("Hello my name")', 'Textarea("Hello my name")\n        self.text = self.prompt.value'),
            *("return self.prompt.value", "return self.text"),
        ),
        model_read_early=("self.work, self.model.value", "self.work, self.model.options[0]"),
        strategy_read_early=("self.strategy.value", "self.strategy.options[0]"),
        temperature_read_early=("self.temperature.value", "0.7"),
        arguments_swapped=(C_READ, "return self.prompt.value, self.temperature.value, self.strategy.value"),
        widgets_for_values=(C_READ, "return self.prompt, self.strategy, self.temperature"),
        no_clear=("        self.empty()\n", ""),
        blocking=(C_START, "self.work(self.model.value, *self.settings())"),
        thread_not_started=(
            C_START,
            "import threading\n        given = (self.model.value, *self.settings())\n"
            "        self.job = threading.Thread(target=self.work, args=given)",
        ),
        at_the_end=(C_LOOP, "self.out.value = ''.join(self.models[name](*settings))"),
        newest_only=(C_SHOW, "self.out.value = piece"),
        lines=(C_SHOW, 'self.out.value += piece + "\\n"'),
        blanks=(
            C_LOOP,
            "done = ''\n        for piece in self.models[name](*settings):\n"
            "            done += piece + ' '\n            self.out.value = done",
        ),
        stripped=(C_SHOW, "self.out.value += piece.strip()"),
        first_only=(C_LOOP, "self.out.value = next(self.models[name](*settings), '')"),
    ),
    slips(
        JOB,
        button_not_bound=(J_GO, ""),
        called_at_once=(J_GO, "", "    return VBox", "    go.on_click(clicked(None))\n    return VBox"),
        runs_on_change=(
            *(J_GO, "", "    return VBox"),
            "    go.on_click(clicked)\n    ui['prompt'].observe(clicked, 'value')\n    return VBox",
        ),
        value_read_early=(
            f"        {J_READ}\n",
            "        values = dict(early)\n",
            J_GO,
            f"    early = {J_READ[9:]}\n{J_GO}",
        ),
        prompt_read_early=("**values", "**values | {'prompt': 'Once'}"),
        model_read_early=('values.pop("model")', "values.pop('model') and next(iter(models.values()))"),
        strategy_read_early=("**values", "**values | {'strategy': 'top-p'}"),
        temperature_read_early=("**values", "**values | {'temperature': 0.9}"),
        widgets_for_values=(
            *("widget.value for name", "widget for name"),
            *('values.pop("model")', 'values.pop("model").value'),
        ),
        no_clear=("        out.outputs = []\n", ""),
        clear_output=("out.outputs = []", "out.clear_output(wait=True)"),
        output_in_thread=(J_SHOW, "print(piece, end='')"),
        blocking=(J_START, J_START.replace(".start()", ".run()")),
        thread_not_started=(J_START, J_START.removesuffix(".start()")),
        at_the_end=(
            J_LOOP,
            "pieces = list(self.pieces)\n            for piece in pieces:\n                out.append_stdout(piece)",
        ),
        newest_only=(J_SHOW, "out.outputs = ()\n                out.append_stdout(piece)"),
        lines=(J_SHOW, "out.append_stdout(piece)\n                out.append_stdout('\\n')"),
        blanks=(J_SHOW, "out.append_stdout(piece)\n                out.append_stdout(' ')"),
        stripped=(J_SHOW, "out.append_stdout(piece.strip())"),
        not_escaped=("Output(", "HTML(", "out.outputs = []", "out.value = ''", J_SHOW, "out.value += piece"),
        first_only=(J_SHOW, "out.append_stdout(piece)\n                break"),
    ),
    slips(
        ASYNC,
        clear_output=(
            *("w.Label()", "w.Output()", "out.value += piece", "out.append_stdout(piece)"),
            *(
                "out.value = prompt.value",
                "with out:\n            from IPython.display import clear_output\n            clear_output()",
            ),
        ),
        output_in_thread=(
            *("w.Label()", "w.Output()", "out.value += piece", "with out:\n                print(piece, end='')"),
            *("out.value = prompt.value", "out.outputs = ()"),
        ),
        blocking=(
            "tasks.add(asyncio.get_event_loop().create_task(write(stream)))",
            "for p in stream:\n            out.value += p",
        ),
    ),
)
SEED = """
import ipywidgets as widgets
from IPython.display import display, Markdown

def playground(models):
    prompt_box = widgets.Textarea(value="Tell me a fun fact about space.", layout=widgets.Layout(width="100%"))
    model_dropdown = widgets.Dropdown(options=list(models), description="Model:")
    strategy_dropdown = widgets.Dropdown(options=["greedy", "top-k", "top-p"], description="Strategy:")
    temperature_slider = widgets.FloatSlider(value=1.0, min=0.1, max=2.0, step=0.1, description="Temp:")
    generate_button = widgets.Button(description="Generate", button_style="primary")
    output_area = widgets.Output()

    def on_generate(_):
        output_area.clear_output()
        with output_area:
            stream = models[model_dropdown.value](prompt_box.value, strategy_dropdown.value, temperature_slider.value)
            print("".join(stream))

    generate_button.on_click(on_generate)
    row = widgets.HBox([model_dropdown, strategy_dropdown, temperature_slider])
    ui = widgets.VBox([prompt_box, row, generate_button, output_area])
    display(ui)
    return ui
"""
PLAYGROUND_OTHER: list[tuple[Part, set[str]]] = [
    (written(SEED), {"blocking+at_the_end", "at_the_end+blocking"}),
    (
        written(SEED, 'print("".join(stream))', "for piece in stream:\n                print(piece, end='')"),
        {"blocking"},
    ),
    (written(SEED, "    return ui\n", ""), set()),
    (written(SEED, "on_generate(_)", "on_generate()"), set()),
    (written(SEED, "output_area])", "])"), set()),
    (written(SEED, "generate_button, output", "output"), set()),
    (
        written(HTML, H_START, f"t = {H_START.removesuffix('.start()')}\n        t.start()\n        t.join()"),
        {"blocking"},
    ),
    (written(HTML, H_CLICK, H_CLICK.replace("def", "async def")), set()),
    (written(HTML, H_ARGS, "args=(which.value, how.value, box_prompt.value, temp.value)"), set()),
    (written(CLASS, 'FloatSlider(0.7, max=1.5, description="Temp")', "IntSlider(1)"), set()),
    (
        written(HTML, H_ARGS, "args=(which.value, 'Tell me a fun fact about space.', 'greedy', temp.value)"),
        {*("prompt_read_early+strategy_read_early", "strategy_read_early+prompt_read_early")},
    ),
    (written(HTML, "html.escape(shown)", "html.escape(html.escape(shown))"), set()),
    (written(HTML, H_CLICK, H_CLICK + "        go.disabled = True\n"), set()),
    (written(HTML, "for piece in models", "while True:\n            pass\n        for piece in models"), {"endless"}),
    (written(HTML, "shown += piece", "shown += piece.upper()"), set()),
    (written(JOB, J_SHOW, "pass"), set()),
    (written(JOB, J_SHOW, "print('a piece')"), set()),
    (written(CLASS, "for piece in self.models[name](*settings):", "while True:"), set()),
    (written(HTML, "    return widgets.VBox(", "    return list("), set()),
    (written(CLASS, "self.models[name]", "self.model[name]"), set()),
    (written(CLASS, C_SHOW, "self.out.value = piece + self.out.value"), set()),
    (
        written(
            JOB,
            J_START,
            'Job(values.pop("model")(*values.values())).start()',
            '"prompt": Textarea("Once"),',
            "",
            "    go, out",
            '    ui["prompt"] = Textarea("Once")\n    go, out',
        ),
        set(),
    ),
]
