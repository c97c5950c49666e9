"""GPT-2 rebuilt from scratch: to read, run, break and teach.

>>> import minigpt
>>> lm = minigpt.load("storyteller")
>>> completion = lm.generate("Once upon a time", max_new_tokens=20)
"""

TYPE_CHECKING = False  # for type checkers, which treat it as true; typing's own takes longer than all of --help
if TYPE_CHECKING:
    from minigpt import widgets as widgets
    from minigpt.analysis.activations import patch as patch
    from minigpt.analysis.activations import record as record
    from minigpt.analysis.beam_tree import beam_tree as beam_tree
    from minigpt.analysis.lens import logit_lens as logit_lens
    from minigpt.exercises.checker import check as check
    from minigpt.generation.completion import Completion as Completion
    from minigpt.generation.generate import generate as generate
    from minigpt.language_model import LanguageModel as LanguageModel
    from minigpt.language_model import load as load
    from minigpt.pictures.xray_steps import xray as xray
    from minigpt.relatives import load_relative as load_relative

    __version__: str

HOMES = {
    "load": "minigpt.language_model",
    "load_relative": "minigpt.relatives",
    "LanguageModel": "minigpt.language_model",
    "Completion": "minigpt.generation.completion",
    "generate": "minigpt.generation.generate",
    "record": "minigpt.analysis.activations",
    "patch": "minigpt.analysis.activations",
    "logit_lens": "minigpt.analysis.lens",
    "beam_tree": "minigpt.analysis.beam_tree",
    "xray": "minigpt.pictures.xray_steps",
    "check": "minigpt.exercises.checker",
    "widgets": "minigpt.widgets",
}

if not TYPE_CHECKING:  # a type checker reads the imports above, and finds misspelt names

    def __getattr__(name: str) -> object:
        """Import what is asked for when it is asked for, so that `minigpt --help` needs no torch."""
        if name == "__version__":
            return version()
        from tokenizer.lazy import attribute

        return attribute("minigpt", HOMES, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES, "__version__"])


def version() -> str:
    """The installed version, or "0+unknown" if the files are used without being installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("minigpt")
    except PackageNotFoundError:
        return "0+unknown"
