"""`minigpt generate`: the prompt and its continuation, as one text."""

import argparse
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from minigpt.commands.common import load_model, note, prompt_of, some_text, spinner
from minigpt.commands.flags import UsageError, settings_of

if TYPE_CHECKING:
    from minigpt.language_model import Completion, LanguageModel

RULE = "-" * 40  # between several texts


def run(args: argparse.Namespace) -> int:
    """Write the continuations; a single one as it grows."""
    if args.prompts and args.prompt is not None:
        raise UsageError("give PROMPT or --prompts FILE, not both")
    given = settings_of(args)
    if args.prompts:
        prompts = some_text(args.prompts).replace("\r\n", "\n").removesuffix("\n").split("\n")
    else:
        prompts = [prompt_of(args.prompt)]
    start = time.perf_counter()
    lm = load_model(args.model, args)
    loaded = time.perf_counter()
    chosen = lm.settings(given)
    if args.json or len(prompts) > 1 or chosen.num_return_sequences > 1 or chosen.num_beams > 1:
        found = all_at_once(lm, prompts, given, args.json, loaded)
    else:
        found = [as_it_grows(lm, prompts[0], given)]
    if args.verbose:
        end = time.perf_counter()
        if lm.report and lm.report.chosen:
            note(f"dtype {lm.report.chosen}")
        for completion in found:
            note(f"{completion.n_prompt} + {len(completion.ids)} tokens, {completion.finish_reason}")
        n = sum(len(completion.ids) for completion in found)
        speed = f"{n / (end - loaded):.1f} tokens/s" if n else "no tokens"
        note(f"{lm.name or args.model}: loaded in {loaded - start:.2f} s; {speed}")
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
            print(
                json.dumps(
                    {k: v for k, v in data.items() if v or k not in optional}, ensure_ascii=False, allow_nan=False
                )
            )
        else:
            print(f"{RULE}\n" * (i > 0) + prompt + completion.text)
    return [completion for _, completion in pairs]
