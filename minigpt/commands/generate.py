"""Continue a text: the prompt and what the model makes of it go to stdout as one text."""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minigpt.commands.arguments import (
    add_generation,
    add_model,
    add_sampling,
    prompt_of,
    read_text,
    settings_of,
    spinner,
)

if TYPE_CHECKING:
    from minigpt.language_model import Completion, LanguageModel

HELP = "continue a text"
RULE = "-" * 40  # between several texts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `minigpt generate`."""
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help='the beginning; "" starts from nothing')
    parser.add_argument("--prompts", type=Path, metavar="FILE", help="one prompt per line, continued as a batch")
    add_model(parser)
    add_sampling(parser)
    add_generation(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object per text instead of the text")
    parser.add_argument("-v", "--verbose", action="store_true", help="how many tokens, how fast, why it ended (stderr)")


def run(args: argparse.Namespace) -> int:
    """Write the continuations; a single one as it grows."""
    if args.prompts and args.prompt is not None:
        raise ValueError("give PROMPT or --prompts FILE, not both")
    given = settings_of(args)
    if args.prompts:
        prompts = read_text(args.prompts).removesuffix("\n").split("\n")
    else:
        prompts = [prompt_of(args.prompt)]
    start = time.perf_counter()
    with spinner(f"loading {args.model}"):
        from minigpt.language_model import load

        lm = load(args.model, device=args.device, dtype=args.dtype)
    loaded = time.perf_counter()
    chosen = lm.settings(given)
    if args.json or len(prompts) > 1 or chosen.num_return_sequences > 1 or chosen.num_beams > 1:
        found = all_at_once(lm, prompts, given, args.json, loaded)
    else:
        found = [as_it_grows(lm, prompts[0], given)]
    if args.verbose:
        end = time.perf_counter()
        for completion in found:
            print(f"{completion.n_prompt} + {len(completion.ids)} tokens, {completion.finish_reason}", file=sys.stderr)
        n = sum(len(completion.ids) for completion in found)
        speed = f"{n / (end - loaded):.1f} tokens/s" if n else "no tokens"
        print(f"{lm.name or args.model}: loaded in {loaded - start:.2f} s; {speed}", file=sys.stderr)
    return 0


def as_it_grows(lm: "LanguageModel", prompt: str, given: dict[str, Any]) -> "Completion":
    """Writes the prompt and its continuation piece by piece."""
    stream = lm.stream(prompt, **given)
    with spinner("reading the prompt"):
        piece = next(stream, "")
    while piece:
        print(prompt + piece, end="", flush=True)
        prompt, piece = "", next(stream, "")
    print(prompt)
    return stream.completion


def all_at_once(
    lm: "LanguageModel", prompts: list[str], given: dict[str, Any], as_json: bool, start: float
) -> "list[Completion]":
    """Writes several texts, or JSON, when all are done."""
    with spinner("writing"):
        found = lm.generate(prompts, **given)
    seconds = time.perf_counter() - start
    pairs = [
        (prompt, completion)
        for prompt, result in zip(prompts, found, strict=True)
        for completion in (result if isinstance(result, list) else [result])
    ]
    for i, (prompt, completion) in enumerate(pairs):
        if as_json:
            data = {"prompt": prompt, **asdict(completion), "seconds": round(seconds, 3)}
            optional = {"score", "top_logprobs"}
            print(json.dumps({k: v for k, v in data.items() if v or k not in optional}, ensure_ascii=False))
        else:
            print(f"{RULE}\n" * (i > 0) + prompt + completion.text)
    return [completion for _, completion in pairs]
