"""Flags that several commands share, and the types of their values: a bad one is refused before anything is loaded."""

from __future__ import annotations

import argparse
import codecs
import re
from collections.abc import Callable

TYPE_CHECKING = False  # typing's own takes longer to import than this file
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "no_repeat_ngram_size")
GENERATION = (
    *("max_new_tokens", "min_new_tokens", "num_beams", "length_penalty", "early_stopping", "num_return_sequences"),
    *("seed", "stop", "context", "top_logprobs", "prompt_lookup_num_tokens"),
)

FLOATS = ("float32", "float16", "bfloat16", "float64")


class UsageError(ValueError):
    """Flags that do not go together, or a value that a flag does not take: exit code 2."""


def add_model(parser: argparse.ArgumentParser, default: str = "storyteller", positional: bool = False) -> None:
    """-m MODEL and, where `positional`, plain MODEL for the same; the Parser reads either into `args.model`."""
    what = "a registered name, a Hub id, a folder or a GGUF file"
    if positional:
        parser.add_argument("model_word", nargs="?", metavar="MODEL", help=f"{what} (default: {default})")
    also = "the same" if positional else f"{what} (default: {default})"
    parser.add_argument("-m", "--model", help=also)
    parser.set_defaults(usual_model=default)


def add_device(parser: argparse.ArgumentParser, dtype: bool = True, auto: bool = False) -> None:
    """Where the model runs and in which data type: the checkpoint's, or with `auto` the one that generates fastest."""
    parser.add_argument("--device", type=device, default="auto", help="auto, cpu, cuda or mps (default: auto)")
    if dtype:
        usual = "auto, the fastest here with the same greedy text" if auto else "the checkpoint's"
        add_dtype(parser, ("auto", "int8", *FLOATS), usual, "auto" if auto else None)


def add_dtype(
    parser: argparse.ArgumentParser,
    names: tuple[str, ...] = FLOATS,
    usual: str = "the checkpoint's",
    default: str | None = None,
) -> None:
    """The weights' data type."""
    told = f"{', '.join(names)} (default: {usual})"
    parser.add_argument("--dtype", choices=names, default=default, metavar="TYPE", help=told)


def add_plain(parser: argparse.ArgumentParser) -> None:
    """--plain."""
    parser.add_argument("--plain", action="store_true", help="run the files as they are read, without the fast forms")


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """Flags that shape the distribution; what is left out comes from the checkpoint."""
    add = parser.add_argument_group("sampling (left out: the checkpoint's own settings, else greedy)").add_argument
    add("-t", "--temperature", type=float, metavar="T", help="0 is greedy, 1 the model's own distribution")
    add("--top-k", type=int, metavar="K", help="sample from the K most likely tokens; 0 is off")
    add(
        "--top-p",
        type=float,
        metavar="P",
        help="nucleus sampling: from the most likely that together reach P; 1 is off",
    )
    add("--min-p", type=float, metavar="P", help="only tokens with at least P times the highest probability")
    add("--repetition-penalty", type=float, metavar="R", help="above 1: tokens of the text so far become less likely")
    add("--no-repeat-ngram-size", type=int, metavar="N", help="no N tokens in a row come twice; 0 is off")


def add_generation(parser: argparse.ArgumentParser) -> None:
    """Flags of the loop."""
    add = parser.add_argument_group("length, number and search").add_argument
    add("-n", "--max-new-tokens", type=int, metavar="N", help="at most N new tokens (default: 100)")
    add("--min-new-tokens", type=int, metavar="N", help="no end before N new tokens")
    add("--num-return-sequences", type=int, metavar="N", help="N continuations of each prompt")
    add("--seed", type=int, metavar="N", help="the same seed gives the same text (default: a fresh one)")
    add("--stop", action="append", metavar="TEXT", help="end before this text; may be given several times")
    add("--context", choices=("error", "stop", "slide"), help="when prompt and new tokens exceed the model's context")
    add("--num-beams", type=int, metavar="N", help="beam search with N beams")
    add("--length-penalty", type=float, metavar="X", help="beam search: above 0 favours long texts (default: 1)")
    add("--early-stopping", choices=("false", "true", "never"), help="beam search: when to stop (default: false)")
    add("--top-logprobs", type=int, metavar="N", help="with --json: the N most likely tokens at every step")
    add("--prompt-lookup-num-tokens", type=int, metavar="N", help="draft N tokens from the text itself; same text")


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, under their Python names; UsageError for a bad one, before a model is loaded."""
    from minigpt.generation.settings import resolve  # takes longer than all of --help

    given = {name: getattr(args, name, None) for name in (*SAMPLING, *GENERATION)}
    if given["early_stopping"] is not None:
        given["early_stopping"] = {"false": False, "true": True, "never": "never"}[given["early_stopping"]]
    given = {name: value for name, value in given.items() if value is not None}
    try:
        resolve(given)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return given


def device(text: str) -> str:
    """The name of a kind of device; whether this machine has one is found out later.

    >>> device("cuda:1")
    'cuda:1'
    """
    if not re.fullmatch(r"auto|(cpu|cuda|mps)(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a device: give auto, cpu, cuda or mps")
    return text


def path(text: str) -> Path:
    """The path of a file or folder.

    >>> path("a/b").name
    'b'
    """
    from pathlib import Path

    return Path(text)


def at_least(low: int) -> Callable[[str], int]:
    """The type of whole numbers from `low` up.

    >>> at_least(1)("7")
    7
    """

    def whole_number(text: str) -> int:
        if not re.fullmatch(r"[-+]?\d+", text) or int(text) < low:
            raise argparse.ArgumentTypeError(f"must be a whole number, {low} or more, not {text}")
        return int(text)

    return whole_number


def between(low: float, high: float, wanted: str) -> Callable[[str], float]:
    """The type of numbers from `low`, itself excluded if `wanted` says so, to below `high`.

    >>> between(0, 1, "from 0 up to below 1")("0.1")
    0.1
    """

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value < high or (not value and "above 0" in wanted):
            raise argparse.ArgumentTypeError(f"must be a number {wanted}, not {text}")
        return value

    return number


def encoding(text: str) -> str:
    """The name of a text encoding that Python knows."""
    try:
        codecs.lookup(text)
    except LookupError:
        message = f"unknown encoding {text!r}: common ones are utf-8, cp1252, latin-1, utf-16"
        raise argparse.ArgumentTypeError(message) from None
    return text
