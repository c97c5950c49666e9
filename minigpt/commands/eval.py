"""`minigpt eval`: bits per byte and perplexity of a text."""

import argparse
import json
import math
import time

from minigpt.commands.common import load_model, some_text, spinner


def run(args: argparse.Namespace) -> int:
    """Read the text in overlapping windows and report."""
    text = some_text(args.text)
    lm = load_model(args.model, args)
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
        print(json.dumps({name: value if math.isfinite(value) else None for name, value in found.items()}))
        return 0
    print(f"bits per byte  {score.bits_per_byte:.4f}")
    print(f"perplexity     {score.perplexity:.2f}")
    print(f"tokens         {len(score.logprobs)} of {score.n_bytes} bytes, in windows of {found['window']}")
    return 0
