# %% [markdown]
# # 12 · A playground: build one
#
# *Thirty-five minutes. You need lesson 09; with lesson 11 you get more out of it.*
#
# Until now you have called a model from code. Most people never do: they have a box to type into, a slider, and a
# button. How do you make such a thing? And why does the notebook so often freeze while the model writes?
#
# You will build a **playground** from the parts of ipywidgets, a package for Jupyter: a prompt, a choice of models and
# of strategies for decoding, a temperature, a button, and a text that appears piece by piece while you go on working.

# %%
import html
import os
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import ipywidgets as widgets
from IPython.display import Image

import minigpt
from minigpt import check
from minigpt.exercises.lesson import quiz, ready, source
from minigpt.playground.texts import growing
from minigpt.widgets import Playground
from weights.fetch.locate import local

ready()
lm = minigpt.load("storyteller", device="cpu")


def show(box, picture):
    """The widgets themselves, or their picture when this file is built, since it keeps no widgets."""
    return Image(Path("pictures") / picture) if os.environ.get("MINIGPT_PNG") else box


# %% [markdown]
# ## Widgets
#
# A **widget** is an element of the page that has a value. The package `ipywidgets` has several dozen kinds; these are
# enough for us:
#
# | widget | what it is | its value |
# |---|---|---|
# | `Textarea` | a field for text of several lines | `value`, a string |
# | `Dropdown` | a list from which one item is chosen | `value`, one of its `options` |
# | `FloatSlider` | a slider | `value`, a number from `min` to `max` |
# | `Button` | something to click on | none: it calls a function |
# | `Output` | a place for output that a cell would show below itself | `outputs`, a tuple |
# | `HTML` | a place for text with tags | `value`, a string |
# | `VBox`, `HBox` | boxes: their contents stand one below the other, or side by side | `children` |
#
# A widget on the last line of a cell is shown below it. Each exists twice: as a Python object in the **kernel**, the
# process that runs your cells, and as something drawn on the **page**. Messages keep the two in step:
#
#     page                                kernel
#      you move the slider  ──▶  slider.value becomes 1.2
#      the slider moves     ◀──  slider.value = 1.5
#
# So you can read a value and set it, as with any object. A slider stays within its bounds:

# %%
slider = widgets.FloatSlider(value=0.8, min=0.1, max=2.0, step=0.1, description="Temp.")
print(slider.value)
slider.value = 1.5
print(slider.value)
slider.value = 9
print(slider.value)

# %% [markdown]
# (Put `slider` on the last line of a cell of your own, move it, and look at `slider.value` in another cell.)
#
# ## A click is a call
#
# `button.on_click(f)` binds a function to a button: whenever it is clicked, the kernel calls `f(button)`. The function
# is passed, not called: `on_click(f)`, not `on_click(f())`. If you bind the same function twice, it is called once; but
# if you run a cell again, its `def` makes a *new* function, and a button from another cell then calls both.
# `button.click()` does what a click does:

# %%
button = widgets.Button(description="Generate", button_style="primary")


def clicked(which):
    print("a click on", which.description, "at temperature", slider.value)


button.on_click(clicked)
button.click()
slider.value = 0.3
button.click()

# %% [markdown]
# The second line has the new temperature, because the function reads `slider.value` *when it is called*. Had we written
# `temperature = slider.value` above the `def` and printed that, both lines would say 2.0: a common mistake.
#
# ## A model that writes
#
# What does the playground need from a model? Something that takes prompt, strategy and temperature, and yields a text
# piece by piece. `lm.stream` does that. The strategies of lesson 09 are settings for it:

# %%
SETTINGS = {
    "greedy": lambda _: {"temperature": 0},
    "top-k": lambda t: {"temperature": t, "top_k": 50, "top_p": 1.0},
    "top-p": lambda t: {"temperature": t, "top_k": 0, "top_p": 0.9},
}


@cache
def model(name):
    return lm if name == "storyteller" else minigpt.load(name)


def writer(name, n=100):
    def stream(prompt, strategy, temperature):
        settings = SETTINGS[strategy](temperature)
        yield from model(name).stream(prompt, max_new_tokens=n, seed=0, **settings)

    return stream


short = writer("storyteller", n=12)
for strategy in SETTINGS:
    print(f"{strategy:7}", list(short("Once upon a time", strategy, 1.0)))

# %% [markdown]
# Two things are worth noting. `stream` is a generator: nothing is loaded or computed before somebody asks for the first
# piece. And a model is loaded when it is first used, and only once, since `cache` keeps it: a model that nobody chooses
# costs nothing.
#
# ## Why a notebook freezes
#
# The simplest thing to do is to make the text within the click:

# %%
pieces = []


def write_it_all(_):
    pieces.extend(short("Tell me a fun fact about space.", "top-p", 1.0))


blocking = widgets.Button(description="Generate")
blocking.on_click(write_it_all)
blocking.click()
print(len(pieces), "pieces when the click returns")

# %% [markdown]
# It works, and many playgrounds in notebooks do just this. But the kernel does one thing at a time. While it is in
# `write_it_all`, no cell runs, and no other click is noticed, not even one on *Stop*. With twelve tokens nobody minds.
# With a large model and three hundred, you wait for minutes. (JupyterLab from 4.4 on, with some versions of ipykernel
# 7, runs clicks in a separate thread: then cells still run, but further clicks have to wait.)
#
# The way out is a **thread**: a second line of execution in the same process. The click only starts it and returns. (An
# `Event`, below, is a flag that one thread sets and another sees.)

# %%
pieces, threads, returned = [], [], threading.Event()


def write(stream):
    returned.wait(2)  # only so that this cell prints the same each time
    pieces.extend(stream)


def start_a_thread(_):
    stream = short("Tell me a fun fact about space.", "top-p", 1.0)
    threads.append(Thread(target=write, args=(stream,)))
    threads[-1].start()


free = widgets.Button(description="Generate")
free.on_click(start_a_thread)
free.click()
print(len(pieces), "pieces when the click returns")
returned.set()
threads[-1].join()
print(len(pieces), "pieces when the thread is done:", "".join(pieces))

# %% [markdown]
# Mind the difference between `Thread(target=write, args=(stream,))`, which passes the function, and
# `Thread(target=write(stream))`, which calls it here and now, and blocks.
#
# (The storyteller knows no facts about space: it has read fairy tales. GPT-2 has read about space, and still does not
# tell you facts on request. Lesson 11 explains why.)
#
# ## How a thread shows its text
#
# The values of widgets may be set from any thread; the message goes to the page at once. For an `Output`, that is
# `text.append_stdout(piece)`, and `text.outputs = ()` empties it. Two things that work in a click do *not* work in a
# thread, and many people lose an hour finding that out:
#
# - **`print`**, within `with text:` or without. An `Output` catches what is printed *while the kernel works on the
#   click*. The thread prints after that, when the page no longer knows where the text belongs.
# - **`text.clear_output()`** in the click, before the thread starts. It asks the *page* to empty the box, and the
#   answer comes back later; the pieces that the thread has added by then are thrown away with the old ones.
#
# An `Output` breaks long lines anywhere, even within a word. An `HTML` breaks them between words, and
# `text.value += …` adds a piece. But then the text is HTML: a `<` begins a tag, several spaces become one, and line
# breaks are ignored. `html.escape` and the style `white-space: pre-wrap` help. The same goes for
# `IPython.display.Markdown`, in which a model that writes `* * *` draws a line:

# %%
text = 'if x <b and b> 0: print("yes")'
print(html.escape(text))

# %% [markdown]
# ## Exercise: `playground`
#
# Now put it together. You get a dict `models`; `models["storyteller"]` is a function such as `short` above. Return the
# box. (The types in the first line are for programs that read the code; you may leave them out.) How the box looks is
# up to you: an `HBox` in the `VBox`, `layout=widgets.Layout(width="100%")` for a field as wide as the page. (Four
# widgets side by side are cut off on a phone.)
#
# `check` needs no page: it finds your widgets by kind, then types, chooses and clicks as a user would, with
# stand-ins for the models, and looks at what your box shows after the first piece and at the end.

# %% exercise="playground"

# %%
check(playground)

# %% [markdown]
# ## Yours at work
#
# Here it is with the models that are on this machine. Those of the other lessons are offered if you have them. (The
# picture was taken after a click, with top-p.)

# %%
known = ("storyteller", "gpt2", "qwen1.5-1.8b-chat", "smollm2-135m-instruct")
names = [name for name in known if local(name)]
print("models here:", ", ".join(names))
show(playground({name: writer(name) for name in names}), "12_yours.png")

# %% [markdown]
# 1. Type a prompt of your own.
# 2. Choose a model and a strategy.
# 3. Set the temperature. Low does not mean precise, and high does not mean creative: low makes the likeliest tokens
#    likelier still (lesson 09). With *greedy* it has no effect.
# 4. Press *Generate*, and run another cell while the text comes.
#
# If you have a model that was tuned to answer, such as Qwen or SmolLM2, see what becomes of "Tell me a fun fact about
# space." with it and with one that was not. Here each gets the bare text, without the chat template (lesson 11). An
# empty text is not a bug: the first token was the one that ends the text.
#
# ## What is still missing
#
# - **Two clicks.** Click *Generate* twice, quickly: two threads write into one box, and the two texts get mixed.
# - **Stop.** Python has no safe way to end a thread from outside. The thread itself must check, after each token,
#   whether it should stop.
# - **Chat.** A model tuned to answer was trained with a template, not with bare prompts.
# - **Errors.** An error in a thread ends up in a log that nobody reads; the box stays empty.
# - **Cost.** A model of three gigabytes is loaded without a warning.
#
# The project's own playground takes care of all five. `minigpt.widgets.playground()` offers the models on the machine,
# and those that you pass to it:

# %%
show(minigpt.widgets.playground(lm), "12_playground.png")

# %% [markdown]
# It has the same parts as yours. This handles its click; a second click does nothing while the button is grey:

# %%
source(Playground.begin)

# %% [markdown]
# And this is its thread. `growing` yields the text after each token; in between, an `Event` tells the thread whether
# *Stop* was pressed. Any error becomes one red line, and `finally` makes the button usable again, even after an error:

# %%
source(Playground.write)

# %% [markdown]
# With beam search, text already shown can change: the best beam in one round may be dropped in the next (lesson 09).
# The playground shows the best so far. Here it changes its mind:

# %%
prompt = "Once upon a time there was a"
settings = {"num_beams": 4, "max_new_tokens": 14, "temperature": 0}
before = ""
for sequence in growing(lm, prompt, settings):
    if not sequence.text.startswith(before):
        print("dropped:", repr(before))
        print("instead:", repr(sequence.text))
    before = sequence.text
at_once = lm.generate(prompt, **settings).text
print("in the end it is the text of generate:", before == at_once)

# %% [markdown]
# ## Where it stands in the project
#
# | what | where |
# |---|---|
# | the playground | `minigpt/widgets.py` |
# | texts that grow and can be stopped | `minigpt/playground/texts.py` |
# | `lm.stream`, a text in whole characters | `minigpt/language_model.py`, `minigpt/generation/completion.py` |
# | the simulated user who checked yours | `minigpt/exercises/widget_user.py` |
#
# Widgets are not saved with a notebook here: GitHub would not show them, so this notebook has pictures of them.
#
# ## Five questions
#
# Decide before you unfold *the answer*.

# %%
slider = widgets.FloatSlider(value=0.8, min=0.1, max=2.0)
slider.value = 5
quiz(
    "A slider goes from 0.1 to 2.0 and is set to 0.8. Then slider.value = 5. What is slider.value?",
    [0.8, 5.0, 2.0, 0.1],
    slider.value,
    "it is kept within its bounds",
)

# %%
count = 0


def one_more(_):
    global count
    count += 1


twice = widgets.Button()
twice.on_click(one_more)
twice.on_click(one_more)
twice.click()
quiz(
    "Two cells bind the same function to a button by on_click. How often does one click call it?",
    [0, 1, 2, 4],
    count,
    "a function that is already bound is not bound again; a different one would be, and both would be called",
)

# %%
seen = []
slider, go_on = widgets.FloatSlider(value=0.8), threading.Event()


def wait_and_see(value):
    go_on.wait()
    seen.append(value)


thread = Thread(target=wait_and_see, args=(slider.value,))
thread.start()
slider.value = 1.7
go_on.set()
thread.join()
quiz(
    "Thread(target=f, args=(slider.value,)) starts at 0.8; then the slider moves to 1.7. f gets",
    ["both values, one after the other", "0.8", "1.7", "the slider"],
    str(seen[0]),
    "the value was read when the arguments were put together",
)

# %%
where = []
button = widgets.Button()
button.on_click(lambda _: where.append(threading.current_thread()))
button.click()
options = {
    "in the main one, where cells run": where == [threading.main_thread()],
    "in a new one for every click": where[0] not in (threading.main_thread(), None),
    "in one that the page has started for it": where == [],
}
quiz(
    "In which thread does the function run when you call button.click() in a cell?",
    list(options),
    next(option for option, true in options.items() if true),
    "so while it runs, no cell can",
)

# %%
streamed = "".join(lm.stream("Once upon a time", max_new_tokens=20, seed=5, temperature=1.0))
at_once = lm.generate("Once upon a time", max_new_tokens=20, seed=5, temperature=1.0).text
quiz(
    "With the same seed and settings, how does a streamed text differ from that of generate?",
    [
        "it is shorter by the last piece",
        "not at all",
        "each run draws other tokens",
        "spaces may be missing from it",
    ],
    "not at all" if streamed == at_once else "each run draws other tokens",
    "it is the same loop; you only see its text earlier",
)
