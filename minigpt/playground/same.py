"""How to get the same text without the page: a command line, and Python."""

import shlex
from collections.abc import Mapping
from typing import Any

from minigpt.language_model import LanguageModel
from minigpt.prompts import start_of

FLAGS = {"max_new_tokens": "-n", "temperature": "-t"}  # the others are written out


def same_text(
    lm: LanguageModel, prompt: str | list[int], given: dict[str, Any], changes: Mapping[str, float] | None = None
) -> dict[str, str]:
    """The command and the Python that write what the page wrote; an empty command where none can: its prompt is text,
    and some ids are not what their text is cut into; nor does it make `changes` of activations, those of `patch`."""
    settings = needed(lm, given)
    text = prompt if isinstance(prompt, str) else text_of(lm, prompt)
    named = "".join(f", {name}={value!r}" for name, value in settings.items())
    load, call = loading(lm), f"generate({prompt if text is None else text!r}{named}).text"
    python = f"import minigpt\n\nprint({load}.{call})"
    if changes:
        patched = f"with minigpt.patch(lm.model, {dict(changes)!r}):\n    print(lm.{call})"
        return {"command": "", "python": f"import minigpt\n\nlm = {load}\n{patched}"}
    if text is None or "\0" in text:  # which no command line can contain
        return {"command": "", "python": python}
    words = [word for name, value in settings.items() for word in (flag(name), str(value).removesuffix(".0"))]
    chosen = [] if lm.name == "storyteller" else ["-m", lm.name]
    chosen += ["--dtype", dtype] if (dtype := other_dtype(lm)) else []
    return {"command": shlex.join(["minigpt", "generate", *chosen, *words, "--", text]), "python": python}


def loading(lm: LanguageModel) -> str:
    """The Python that loads the model in the dtype that it has here."""
    dtype = other_dtype(lm)
    return f"minigpt.load({lm.name!r}{f', dtype={dtype!r}' if dtype else ''})"


def other_dtype(lm: LanguageModel) -> str:
    """The model's dtype if it differs from its files', because it was asked for or is the fastest; else empty."""
    return lm.report.dtype if lm.report and lm.report.dtype != lm.report.own_dtype else ""


def needed(lm: LanguageModel, given: dict[str, Any]) -> dict[str, Any]:
    """The settings without those that change nothing: the model's own say the same, or nothing is drawn by the seed."""
    samples = lm.settings(given).samples
    kept = {name: value for name, value in given.items() if samples or name != "seed"}
    for name in list(kept):
        fewer = {other: value for other, value in kept.items() if other != name}
        try:
            if lm.settings(fewer) == lm.settings(kept):
                kept = fewer
        except ValueError:  # it is this one that makes the others go together
            continue
    return kept


def text_of(lm: LanguageModel, ids: list[int]) -> str | None:
    """The text that is read as these ids, or None if there is none."""
    assert lm.tokenizer
    if not set(ids) <= lm.tokenizer.tokens.keys():
        return None
    special = {id: name for name, id in lm.tokenizer.special_tokens.items()}
    begin = len(lm.tokenizer.vocabulary.before) if len(ids) > 1 else 0
    text = special[ids[0]] if len(ids) == 1 and ids[0] in special else lm.tokenizer.decode(ids[begin:])
    return text if start_of(lm.tokenizer, text) == ids else None


def flag(name: str) -> str:
    """How a setting is written on the command line.

    >>> flag("max_new_tokens"), flag("top_k")
    ('-n', '--top-k')
    """
    return FLAGS.get(name, f"--{name.replace('_', '-')}")
