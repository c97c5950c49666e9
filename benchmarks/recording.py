"""What `record` costs: GPT-2 124M on 64 tokens, with every activation kept, against the plain forward pass.

    python benchmarks/recording.py [--tokens T] [--pairs N] [--threads N] [--json FILE]

The model has random weights: time does not depend on them, and nothing is fetched. A pair of measurements runs plain,
recorded, recorded, plain; its ratio is the recorded time over the plain one. Reported: the median of the ratios and a
95 % bootstrap interval around it. Times are of the processor, which neighbours on a busy machine disturb less than the
clock's. The logits are compared first: recording changes none by a bit.
"""

import argparse
import json
import random
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # before this folder, which has a tokenizer.py
from minigpt.analysis.activations import places, record
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2

TARGET = 2.0
SMALL = GPT2Config(vocab_size=50257, n_ctx=1024, n_layer=12, n_head=12, n_embd=768)


def plain(model: GPT2, ids: torch.Tensor) -> float:
    """Seconds of a forward pass."""
    start = time.process_time()
    model(ids)
    return time.process_time() - start


def recorded(model: GPT2, ids: torch.Tensor) -> float:
    """Seconds of a forward pass with everything recorded, the hooks' coming and going counted."""
    start = time.process_time()
    with record(model):
        model(ids)
    return time.process_time() - start


@torch.inference_mode()
def measure(tokens: int, pairs: int) -> dict[str, float]:
    """Times and the ratio of paired runs."""
    torch.manual_seed(0)
    model = GPT2(SMALL).eval()
    ids = torch.randint(SMALL.vocab_size, (1, tokens))
    with record(model) as seen:
        same = model(ids)
    if len(seen) != len(places(model)) or not (same.equal(seen["logits"]) and same.equal(model(ids))):
        raise SystemExit("a recorded pass gives other logits than the plain one")
    times = [(plain(model, ids), *(recorded(model, ids) for _ in range(2)), plain(model, ids)) for _ in range(pairs)]
    ratios = [(b + c) / (a + d) for a, b, c, d in times]
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(2000))
    return {
        "plain_s": statistics.median(t for a, _, _, d in times for t in (a, d)),
        "recorded_s": statistics.median(t for _, b, c, _ in times for t in (b, c)),
        "ratio": statistics.median(ratios),
        "low": medians[50],
        "high": medians[-51],
    }


def main() -> None:
    """Measures, prints one line, and writes the numbers where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=64, help="tokens of the text (default: 64)")
    parser.add_argument("--pairs", type=int, default=15, help="A B B A measurements (default: 15)")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch (default: 1)")
    parser.add_argument("--json", type=Path, help="where the numbers go")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    row = measure(args.tokens, args.pairs)
    times = f"plain {row['plain_s']:.3f} s, recorded {row['recorded_s']:.3f} s"
    print(f"{times}: ratio {row['ratio']:.2f} ({row['low']:.2f}-{row['high']:.2f}), to be below {TARGET:g}")
    if args.json:
        told = {"tokens": args.tokens, "pairs": args.pairs, "python": sys.version, "torch": torch.__version__, **row}
        args.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
