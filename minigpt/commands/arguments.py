"""What the commands that continue text share: flags, where the prompt comes from, a sign of life while waiting."""

import argparse
import itertools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minigpt.generation.settings import resolve

SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
GENERATION = (
    *("max_new_tokens", "num_beams", "length_penalty", "early_stopping", "num_return_sequences"),
    *("seed", "stop", "context", "top_logprobs", "prompt_lookup_num_tokens"),
)


def add_model(parser: argparse.ArgumentParser, default: str = "storyteller") -> None:
    """Flags that choose the model and where it runs."""
    parser.add_argument("-m", "--model", default=default, help="a registered name or a folder (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: %(default)s)")
    parser.add_argument("--dtype", help="float32, float16, bfloat16 or auto (default: the checkpoint's own)")


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """Flags that shape the distribution; what is left out comes from the checkpoint."""
    add = parser.add_argument_group("choice (left out: the checkpoint's own, else greedy)").add_argument
    add("-t", "--temperature", type=float, metavar="T", help="0 is greedy, 1 the model's own distribution")
    add("--top-k", type=int, metavar="K", help="only the K best tokens; 0 is off")
    add("--top-p", type=float, metavar="P", help="only the best tokens that together reach P; 1 is off")
    add("--min-p", type=float, metavar="P", help="only tokens with at least P times the best one's probability")
    add("--repetition-penalty", type=float, metavar="R", help="above 1: tokens that were there get less likely")


def add_generation(parser: argparse.ArgumentParser) -> None:
    """Flags of the loop."""
    add = parser.add_argument_group("how much, how often, how long").add_argument
    add("-n", "--max-new-tokens", type=int, metavar="N", help="at most N new tokens (default: 100)")
    add("--num-return-sequences", type=int, metavar="N", help="N continuations of each prompt")
    add("--seed", type=int, metavar="N", help="the same seed, the same text (default: a fresh one)")
    add("--stop", action="append", metavar="TEXT", help="end before this text; may be given several times")
    add("--context", choices=("error", "stop", "slide"), help="when prompt and new tokens exceed the model's context")
    add("--num-beams", type=int, metavar="N", help="beam search with N beams")
    add("--length-penalty", type=float, metavar="X", help="beams: above 0 favours long texts (default: 1)")
    add("--early-stopping", choices=("false", "true", "never"), help="beams: when to stop (default: false)")
    add("--top-logprobs", type=int, metavar="N", help="with --json: the N best alternatives to every token")
    add("--prompt-lookup-num-tokens", type=int, metavar="N", help="draft N tokens from the text itself; same text")


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, under their Python names; a bad one is a ValueError before a model is loaded."""
    given = {name: getattr(args, name, None) for name in (*SAMPLING, *GENERATION)}
    if given["early_stopping"] is not None:
        given["early_stopping"] = {"false": False, "true": True, "never": "never"}[given["early_stopping"]]
    given = {name: value for name, value in given.items() if value is not None}
    resolve(given)
    return given


def prompt_of(prompt: str | None) -> str:
    """The prompt: the argument, or what is piped in, without the line end that closes it."""
    if prompt is not None:
        return prompt
    if sys.stdin is None or sys.stdin.isatty():
        raise ValueError('no prompt: give one, as in "Once upon a time", or pipe one in')
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def read_text(file: Path) -> str:
    """The text of a file in UTF-8; ValueError where it is not, or where there is none."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 (byte {error.start}): convert it first") from None
    if not text:
        raise ValueError(f"{file} is empty: there is nothing to read")
    return text


@contextmanager
def spinner(label: str) -> Iterator[None]:
    """A turning wheel on stderr while the body runs, if stderr is a terminal; it leaves no trace."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()

    def turn() -> None:
        for spoke in itertools.cycle("|/-\\"):
            if done.wait(0.1):
                break
            print(f"\r{spoke} {label}", end="", file=sys.stderr, flush=True)
        print("\r" + " " * (len(label) + 2) + "\r", end="", file=sys.stderr, flush=True)

    thread = threading.Thread(target=turn, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
