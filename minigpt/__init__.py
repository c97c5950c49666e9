"""GPT-2 rebuilt from scratch: to read, run, break and teach.

>>> import minigpt
>>> lm = minigpt.load("storyteller")
>>> completion = lm.generate("Once upon a time", max_new_tokens=20)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minigpt.generation.completion import Completion as Completion
    from minigpt.generation.generate import generate as generate
    from minigpt.language_model import LanguageModel as LanguageModel
    from minigpt.language_model import load as load

HOMES = {
    "load": "minigpt.language_model",
    "LanguageModel": "minigpt.language_model",
    "Completion": "minigpt.generation.completion",
    "generate": "minigpt.generation.generate",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that `minigpt --help` needs no torch."""
    import importlib

    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    raise AttributeError(f"module 'minigpt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES])
