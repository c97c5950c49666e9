"""Which exercises there are: their names, and the files that contain them."""

from importlib import import_module
from typing import Any

from minigpt.exercises.exercise import Exercise
from tokenizer.suggest import did_you_mean

TASKS: dict[str, str] = {  # the name of the function or class: its file in tasks/
    "WordTokenizer": "word_tokenizer",
    "CharTokenizer": "char_tokenizer",
    "count_pairs": "count_pairs",
    "merge": "merge",
    "train": "train",
    "encode": "encode",
    "split": "split",
    "encode_special": "encode_special",
    "Linear": "linear",
    "embed": "embed",
    "attention": "attention",
    "CausalSelfAttention": "causal_self_attention",
    "LayerNorm": "layer_norm",
    "gelu": "gelu",
    "MLP": "mlp",
    "Block": "block",
    "count_parameters": "count_parameters",
    "load": "load",
    "GPT2": "gpt2",
    "next_probs": "next_probs",
    "perplexity": "perplexity",
    "logit_lens": "logit_lens",
    "top_p": "top_p",
    "greedy": "greedy",
    "temperature": "temperature",
    "top_k": "top_k",
    "min_p": "min_p",
    "sample": "sample",
    "beam": "beam",
    "cached_attention": "cached_attention",
    "generate_cached": "generate_cached",
    "chat_prompt": "chat_prompt",
    "stop": "stop",
    "playground": "playground",
    "loss": "loss",
    "train_step": "train_step",
    "batch": "batch",
    "BertLayer": "bert_layer",
    "CrossAttention": "cross_attention",
    "relative_bias": "relative_bias",
}


class NoExercise(ValueError):
    """A name that no exercise has; a notebook shows it as one line, without the traceback."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [str(self)]


def exercise(name: str) -> Exercise:
    """The exercise of a name; a `NoExercise`, which is a ValueError, if there is none.

    >>> exercise("layer_norm").name
    'LayerNorm'
    """
    known = {plain(task): task for task in TASKS}
    found = known.get(plain(name))
    if found is None:
        close = did_you_mean(name, list(TASKS))
        raise NoExercise(f"no exercise {name!r}: {close or 'there are ' + ', '.join(TASKS)}")
    made: Exercise = import_module(f"minigpt.exercises.tasks.{TASKS[found]}").EXERCISE
    return made


def plain(name: str) -> str:
    """A name as it is compared: without capitals, underscores or a leading "my".

    >>> plain("MyLayerNorm"), plain("layer_norm")
    ('layernorm', 'layernorm')
    """
    return name.lower().replace("_", "").removeprefix("my")


def exercise_for(part: Any, name: str | None, how: str = "check") -> Exercise:
    """The exercise that a part is meant for: the one that is named, else the one with the part's own name.

    Where a function and a class share a name, as attention does, the part says which: a class is the module.
    """
    if isinstance(part, str) and name is None:
        raise NoExercise(f"{part!r:.40} is a text: give the part itself, as in {how}({part:.40})")
    own = getattr(part, "__name__", type(part).__name__)
    wanted = name or own
    if isinstance(part, type) and plain(wanted) == "attention":
        wanted = "CausalSelfAttention"
    try:
        return exercise(wanted)
    except NoExercise as error:
        if name is None:
            raise NoExercise(f'{error} (name it, as in {how}({own}, name="attention"))') from None
        raise
