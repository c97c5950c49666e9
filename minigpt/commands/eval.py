"""How well a model foresees a text: bits per byte (comparable between models) and perplexity (per token)."""

import argparse
import json
import time
from pathlib import Path

from minigpt.commands.arguments import read_text, spinner

HELP = "how well a model foresees a text"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `minigpt eval`."""
    parser.add_argument("model", metavar="NAME", help="a registered name or a folder")
    parser.add_argument("--text", type=Path, required=True, metavar="FILE", help="the text, in UTF-8")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: %(default)s)")
    parser.add_argument("--dtype", help="float32, float16, bfloat16 or auto (default: the checkpoint's own)")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of lines")


def run(args: argparse.Namespace) -> int:
    """Read the text in overlapping windows and report."""
    text = read_text(args.text)
    with spinner(f"loading {args.model}"):
        from minigpt.language_model import load

        lm = load(args.model, device=args.device, dtype=args.dtype)
    start = time.perf_counter()
    with spinner(f"reading {args.text}"):
        score = lm.score(text, allow_special="all")
    seconds = time.perf_counter() - start
    found = {
        "bits_per_byte": score.bits_per_byte,
        "perplexity": score.perplexity,
        "tokens": len(score.logprobs),
        "bytes": score.n_bytes,
        "window": lm.model.config.n_ctx,
        "seconds": round(seconds, 2),
    }
    if args.json:
        print(json.dumps(found))
        return 0
    print(f"bits per byte  {score.bits_per_byte:.4f}")
    print(f"perplexity     {score.perplexity:.2f}")
    print(f"tokens         {len(score.logprobs)} of {score.n_bytes} bytes, in windows of {found['window']}")
    return 0
