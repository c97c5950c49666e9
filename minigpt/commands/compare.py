"""A completion model and an instruction-tuned one on the same prompt, side by side, and the second without template.

Without PROMPT: the three prompts and strategies of the source notebook. Its models, gpt2 and qwen1.5-1.8b-chat, are
compared where both have been downloaded; else the embedded storyteller and smollm2-135m-instruct.
"""

import argparse
import json
import select
import shutil
import sys

from minigpt.commands.arguments import SAMPLING, add_sampling, settings_of, spinner

PAIRS = (("gpt2", "qwen1.5-1.8b-chat"), ("storyteller", "smollm2-135m-instruct"))  # the first that is there
HELP = "a completion model and an instruction-tuned one, side by side"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `minigpt compare`."""
    add = parser.add_argument
    add("prompt", nargs="?", metavar="PROMPT", help="what both are given (default: the source notebook's three)")
    add("--completion", metavar="MODEL", help="a name or a folder (default: see above)")
    add("--instruct", metavar="MODEL", help="the same, of a model with a chat template")
    add("-n", "--max-new-tokens", type=int, default=80, metavar="N", help="tokens for each (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="the same seed, the same texts (default: %(default)s)")
    add("--no-trick", action="store_true", help="leave out the column without template")
    add("--device", default="auto", help="auto, cpu, cuda or mps (default: %(default)s)")
    add("--dtype", help="float32, float16, bfloat16 or auto (default: the checkpoints' own)")
    add("--json", action="store_true", help="one JSON object per prompt instead of columns")
    add_sampling(parser)


def run(args: argparse.Namespace) -> int:
    """Write one comparison after the other."""
    prompt = args.prompt if args.prompt is not None else piped()
    chosen = {name: value for name, value in settings_of(args).items() if name in SAMPLING}
    if chosen and not prompt:
        raise ValueError("the three prompts have their own strategies: give a PROMPT to choose by flags")
    with spinner("loading"):
        from minigpt.chat.chat import format_of
        from minigpt.chat.compare import PROMPTS, STRATEGIES, as_dict, compare, legend, lines_of, strategy_of
        from minigpt.language_model import load

        usual = usual_pair()
        completion = load(args.completion or usual[0], device=args.device, dtype=args.dtype)
        instruct = load(args.instruct or usual[1], device=args.device, dtype=args.dtype)
    format_of(instruct)  # refused before anything is computed
    if prompt:
        cases = [(prompt, strategy_of(chosen), chosen or STRATEGIES["greedy"])]
    else:
        cases = [(text, strategy, STRATEGIES[strategy]) for text, strategy in PROMPTS]
    width = shutil.get_terminal_size().columns
    for text, strategy, sampling in cases:
        settings = {**sampling, "max_new_tokens": args.max_new_tokens, "seed": args.seed}
        with spinner(text):
            found = compare(completion, instruct, text, strategy, settings, trick=not args.no_trick)
        if args.json:
            print(json.dumps(as_dict(found), ensure_ascii=False), flush=True)
        else:
            print("\n".join(lines_of(found, width)) + "\n", flush=True)
    if not args.json:
        print("\n".join(legend(found, width)))
    return 0


def usual_pair() -> tuple[str, str]:
    """The source's pair where both are on this machine, else the pair that needs no Hub."""
    from weights.fetch.locate import local

    return next((pair for pair in PAIRS if all(local(name) for name in pair)), PAIRS[-1])


def piped() -> str:
    """What is piped in, without the line end that closes it; nothing where nothing comes within a second."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    try:
        waiting = select.select([sys.stdin], [], [], 1.0)[0]
    except (OSError, ValueError):  # Windows asks sockets only
        waiting = [sys.stdin]
    return sys.stdin.read().removesuffix("\n").removesuffix("\r") if waiting else ""
