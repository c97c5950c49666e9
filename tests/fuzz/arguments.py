"""Odd arguments: what callers give to functions and on the command line, drawn at random."""

import contextlib
import io
import random
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import minigpt
from tests.fuzz.judge import Wrong, finite, refusal, valid

NUMBERS = (
    *(None, 0, 1, 2, 3, -1, 0.5, 1.5, -0.0, 1e-320, 1e308, 10**18, 2**63, 2**64, 10**400, True, False),
    *(float("nan"), float("inf"), -float("inf"), "", "1", "x", b"1", [], [1], (), {}, {"a": 1}, object, 1j),
)
SETTINGS = (
    *("max_new_tokens", "usual_new_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed"),
    *("num_beams", "length_penalty", "early_stopping", "stop", "eos_token_id", "bos_token_id", "context", "plain"),
    *("top_logprobs", "prompt_lookup_num_tokens", "num_return_sequences", "do_sample", "no_such_setting", "max_length"),
)
PROMPTS = (
    *("", "a", "Once upon a time", "\0", "\ud800", "😀" * 3, "<|endoftext|>", "x" * 500, b"Once", None, 5, [], [[]]),
    *([1, 2, 3], [1, -1], [1, 10**6], [1.5], [True], ["a", "b"], ["a", 1], [[1], []], [[1], [2, 3]], (1, 2), {"a"}),
)
MESSAGES = (
    *([], None, "hi", [{}], [{"role": "user"}], [{"role": None, "content": "a"}], [{"role": "user", "content": None}]),
    *([{"role": "user", "content": "<|im_end|>"}], [{"role": "user", "content": ["a"]}], [1], [{"role": "user\n"}]),
    [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "\ud800"}],
)
COMMANDS = ("generate", "next", "tokens", "eval", "inspect", "models", "chat", "export", "parity", "nonsense", "--seed")
FLAGS = (
    *("-n", "--max-new-tokens", "-t", "--temperature", "--top-k", "--top-p", "--num-beams", "--seed", "--stop", "-k"),
    *("--num-return-sequences", "--device", "--dtype", "--json", "--plain", "--tokenizer", "--no-such", "-v", "--text"),
)
WORDS = (
    *(
        "0",
        "1",
        "3",
        "-1",
        "nan",
        "inf",
        "1e999",
        "1_0",
        "",
        " ",
        "x",
        "cpu",
        "cuda:99",
        "float16",
        "99999999999999999",
    ),
    *("\0", "é", "\ud800", "-", "--", "..", "/", "/dev/null", "٣", "0x10", "1e-400", "auto", "<|endoftext|>"),
)


@cache
def model(root: Path) -> Any:
    """The small GPT-2 with its vocabulary and template."""
    return minigpt.load(str(root / "gpt2"), device="cpu")


def draw(rng: random.Random, root: Path) -> tuple[str, Callable[[], str]]:
    """A call in words, and what makes it and judges it."""
    kind = rng.choice((generate, generate, tokens, chat, command, command))
    return kind(rng, root)


def settings(rng: random.Random) -> dict[str, Any]:
    """A few settings, each with an odd value; the text stays short."""
    return {"max_new_tokens": 3} | {rng.choice(SETTINGS): rng.choice(NUMBERS) for _ in range(rng.choice((1, 1, 2, 3)))}


def answer(work: Callable[[], Any], check: Callable[[Any], object]) -> str:
    """Runs a call: its result is checked, an error must be a refusal, as is a TypeError that the project raises."""
    try:
        found = work()
    except TypeError as error:
        refusal(ValueError(str(error)))
        if not (traceback.extract_tb(error.__traceback__)[-1].line or "").startswith("raise "):
            raise Wrong(f"TypeError: {str(error)[:200]}") from None
        return "refused"
    except Exception as error:
        refusal(error)
        return "refused"
    check(found)
    return "valid"


def generate(rng: random.Random, root: Path) -> tuple[str, Callable[[], str]]:
    """`generate`, `stream`, `score` and `next_tokens`."""
    lm, prompt, odd = model(root), rng.choice(PROMPTS), settings(rng)
    if rng.random() < 0.6:
        prompt = "Once upon"

    def each(found: Any) -> None:
        for one in found if isinstance(found, list) else [found]:
            each(one) if isinstance(one, list) else valid(one, lm)

    how = rng.randrange(5)
    if how == 0:
        return f"score({prompt!r:.60})", lambda: answer(lambda: lm.score(prompt), finite)
    if how == 1:
        k = rng.choice(NUMBERS)
        return f"next_tokens({prompt!r:.60}, {k!r:.60})", lambda: answer(lambda: lm.next_tokens(prompt, k), len)
    if how == 2:
        words = f"stream({prompt!r:.60}, {odd!r:.160})"
        return words, lambda: answer(lambda: "".join(lm.stream(prompt, **odd)), str.encode)
    return f"generate({prompt!r:.60}, {odd!r:.160})", lambda: answer(lambda: lm.generate(prompt, **odd), each)


def tokens(rng: random.Random, root: Path) -> tuple[str, Callable[[], str]]:
    """`encode`, `decode` and `decode_bytes`."""
    tok, value = model(root).tokenizer, rng.choice((*PROMPTS, *NUMBERS))
    name = rng.choice(("encode", "decode", "decode_bytes"))
    more = {"allow_special": rng.choice(("all", (), ["<|endoftext|>"], "x", None, 5))} if name == "encode" else {}
    return f"{name}({value!r:.80}, {more})", lambda: answer(lambda: getattr(tok, name)(value, **more), len)


def chat(rng: random.Random, root: Path) -> tuple[str, Callable[[], str]]:
    """`chat` with messages that are none."""
    lm, messages = model(root), rng.choice(MESSAGES)
    return f"chat({messages!r:.100})", lambda: answer(
        lambda: lm.chat(messages, max_new_tokens=2), lambda found: valid(found, lm)
    )


def command(rng: random.Random, root: Path) -> tuple[str, Callable[[], str]]:
    """The command line in this process."""
    name = rng.choice(COMMANDS)
    words = [name]
    if name in ("generate", "next", "chat"):
        words += ["-m", str(root / "gpt2")] if rng.random() < 0.9 else ["-m", rng.choice(WORDS)]
        words += ["-n", "3"] if name == "generate" else []
    for _ in range(rng.choice((0, 1, 1, 2))):
        words += [rng.choice(FLAGS)] + ([rng.choice(WORDS)] if rng.random() < 0.8 else [])
    words += [rng.choice((*WORDS, "Once upon a time"))] if rng.random() < 0.8 else []
    shown = " ".join(map(repr, words)).replace(str(root), "ROOT")
    return f"minigpt {shown}", lambda: run(words, root)


def run(words: list[str], root: Path) -> str:
    """Exit code 0 and no complaint, or a code of 1 or 2 and one line on stderr."""
    import os
    import sys

    from minigpt.cli import main

    errors, before, here = io.StringIO(), sys.stdin, Path.cwd()
    sys.stdin = io.TextIOWrapper(io.BytesIO(b"a line\n"), "utf-8")
    os.chdir(root)  # a command that writes does so here
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")):
            code: object = main(words)
    except SystemExit as stop:
        code = stop.code
    finally:
        sys.stdin = before
        os.chdir(here)
    said = [line for line in errors.getvalue().splitlines() if line.strip()]
    if code == 0:
        return "valid"
    if code not in (1, 2) or not said or "Traceback" in errors.getvalue():
        raise Wrong(f"exit code {code}, stderr {errors.getvalue()[-200:]!r}")
    last = [line for line in said if line.startswith("minigpt")]
    if len(last) != 1 or len(last[0]) > 1000:
        raise Wrong(f"not one line on stderr: {errors.getvalue()[:300]!r}")
    return "refused"
