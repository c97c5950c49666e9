"""`minigpt compare`: a completion model and an instruction-tuned one, side by side."""

import argparse
import json
import select
import sys

from minigpt.chat.compare import PROMPTS, STRATEGIES, as_dict, compare, legend, lines_of, strategy_of
from minigpt.commands.common import load_model, spinner
from minigpt.commands.flags import SAMPLING, UsageError, settings_of
from minigpt.commands.stdin import read_prompt
from minigpt.terminal import columns
from tokenizer.display import use_color
from weights.fetch import locate

PAIRS = (  # the first that is available, as the last always is
    ("gpt2", "qwen1.5-1.8b-chat"),
    ("storyteller", "smollm2-135m-instruct"),
    ("storyteller", "storyteller-chat"),
)


def run(args: argparse.Namespace) -> int:
    """Write one comparison after the other."""
    prompt = args.prompt if args.prompt is not None else piped()
    chosen = {name: value for name, value in settings_of(args).items() if name in SAMPLING}
    if chosen and not prompt:
        raise UsageError("the three prompts have their own strategies: give a PROMPT to choose by flags")
    usual = usual_pair()
    completion = load_model(args.completion or usual[0], args)
    instruct = load_model(args.instruct or usual[1], args)
    instruct.chat_format()  # refused before anything is computed
    if prompt:
        cases = [(prompt, strategy_of(chosen), chosen or STRATEGIES["greedy"])]
    else:
        cases = [(text, strategy, STRATEGIES[strategy]) for text, strategy in PROMPTS]
    for text, strategy, sampling in cases:
        settings = {**sampling, "max_new_tokens": args.max_new_tokens, "seed": args.seed}
        with spinner(text):
            found = compare(completion, instruct, text, strategy, settings, trick=not args.no_trick)
        if args.json:
            print(json.dumps(as_dict(found), ensure_ascii=False, allow_nan=False), flush=True)
        else:
            print("\n".join(lines_of(found, columns(), use_color())) + "\n", flush=True)
    if not args.json:
        print("\n".join(legend(found, columns())))
    return 0


def usual_pair() -> tuple[str, str]:
    """The models of the first lessons where both are on this machine, else a pair that is."""
    return next((pair for pair in PAIRS if all(locate.local(name) for name in pair)), PAIRS[-1])


def piped() -> str:
    """What is piped in, without the line end that closes it; nothing if nothing comes within a second."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    try:
        waiting = select.select([sys.stdin], [], [], 1.0)[0]
    except (OSError, ValueError):  # on Windows select takes only sockets
        waiting = [sys.stdin]
    return read_prompt() if waiting else ""
