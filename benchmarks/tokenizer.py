"""Our tokenizer against tiktoken, tokenizers and a loop like minbpe's: encoding, cold and warm, and training.

    python benchmarks/tokenizer.py [--english FILE] [--source FOLDER] [--cjk FILE] [--pairs N] [--json FILE]

Every contestant lives in a process of its own with one thread and holds the same text. Ids are compared before
anything is timed. Times are of the processor, which neighbours on a busy machine disturb less than the clock's.
A pair of measurements runs ours, theirs, theirs, ours; its ratio is their time over ours, so above 1 ours is
faster. Reported: the median of the ratios and a 95 % bootstrap interval around it. Cold means a new tokenizer for
each measurement, its construction not counted; warm, the text was encoded before. The naive trainer would take
hours: its time is reckoned from its first merges, too low rather than too high.
"""

import argparse
import json
import multiprocessing
import os
import random
import statistics
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # before this folder, whose tokenizer.py this is
from benchmarks.tokenizer_peers import worker

TALES = Path("../shared/data/fairytales/train.txt")
SLICE = 100_000  # characters for the naive encoder
TARGETS = {("encode warm", "tiktoken"): 1.0, ("encode warm", "tokenizers"): 8.0, ("encode warm", "naive"): 20.0}
TARGETS |= {("train", "tokenizers"): 1.5, ("train", "naive"): 200.0}


def contest(path: Path, kind: str, peer: str, pairs: int, length: int, vocab_size: int = 4096) -> dict[str, Any]:
    """One row: ours against a peer in one task on one text."""
    context = multiprocessing.get_context("spawn")
    ask: dict[str, Callable[[], tuple[float, str]]] = {}
    processes = []
    for name in ("ours", peer):
        here, there = context.Pipe()
        process = context.Process(target=worker, args=(there, name, str(path)), daemon=True)
        process.start()
        processes.append((process, here))
        ask[name] = lambda pipe=here: (pipe.send((kind, length, vocab_size)), pipe.recv())[1]
    (_, ours), (_, theirs) = [ask[name]() for name in ("ours", peer)]  # also the first warm-up
    same = ours == theirs or (kind == "train" and peer == "naive")  # which breaks ties another way
    if not same:
        raise SystemExit(f"{kind} on {path.name}: {peer} gives another result than ours")
    if kind != "train":
        _ = [ask[name]() for name in ("ours", peer)]
    ratios, mine, other = [], [], []
    for _ in range(pairs):
        a, b, c, d = (ask[name]()[0] for name in ("ours", peer, peer, "ours"))
        ratios.append((b + c) / (a + d))
        mine += [a, d]
        other += [b, c]
    for process, pipe in processes:
        pipe.send(None)
        process.join()
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(2000))
    return {
        "task": kind,
        "text": path.stem,
        "characters": length,
        "peer": peer,
        "ours_s": statistics.median(mine),
        "peer_s": statistics.median(other),
        "ratio": statistics.median(ratios),
        "low": medians[50],
        "high": medians[-51],
        "target": TARGETS.get((kind, peer)) if path.stem == "english" else None,
    }


def texts(args: argparse.Namespace, folder: Path) -> dict[str, Path]:
    """The three texts, each of about 4.4 MB, as files."""
    made = {}
    if args.english.is_file():
        made["english"] = args.english.read_text(encoding="utf-8")[: args.size]
    files = sorted(args.source.glob("*.py"))
    made["python"] = "".join(file.read_text(encoding="utf-8", errors="replace") for file in files)[: args.size]
    if args.cjk:
        made["cjk"] = args.cjk.read_text(encoding="utf-8")[: args.size // 3]
    else:  # words of one to three signs, as frequent as words are (Zipf), in sentences of about twelve words
        rng = random.Random(0)
        signs = [chr(c) for c in range(0x4E00, 0x4E00 + 3000)]
        words = ["".join(rng.choices(signs, k=rng.choice([1, 2, 2, 3]))) for _ in range(20000)]
        weights = [1 / (n + 1) for n in range(len(words))]
        made["cjk"] = "".join(
            "".join(rng.choices(words, weights, k=12)) + rng.choice("，。！\n") for _ in range(args.size // 75)
        )
    for name, text in made.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8", newline="")
    return {name: folder / f"{name}.txt" for name in made}


def main() -> None:
    """Runs all contests, prints one table, writes one JSON file."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--english", type=Path, default=TALES, help="a text file (default: the fairy tales if there)")
    parser.add_argument(
        "--source", type=Path, default=Path(sysconfig.get_path("stdlib")), help="a folder with .py files"
    )
    parser.add_argument("--cjk", type=Path, help="a text file (default: made up)")
    parser.add_argument("--size", type=int, default=4_450_000, help="bytes of each text, at most (default: 4,450,000)")
    parser.add_argument("--pairs", type=int, default=15, help="A B B A measurements per row (default: 15)")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/tokenizer.json"), help="where the numbers go")
    args = parser.parse_args()
    os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    rows = []
    print("| task | text | peer | ours s | peer s | ratio | 95 % | target |\n|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for path in texts(args, Path(folder)).values():
            size = len(path.read_text(encoding="utf-8"))
            tasks = [
                (kind, peer, size) for kind in ("encode cold", "encode warm") for peer in ("tiktoken", "tokenizers")
            ]
            tasks += [("encode warm", "naive", SLICE), ("train", "tokenizers", size), ("train", "naive", size)]
            for kind, peer, length in tasks:
                naive = peer == "naive"
                pairs = min(args.pairs, 2) if naive else args.pairs
                row = contest(path, kind, peer, pairs, length)
                rows.append(row)
                target = f"{row['target']:g}" if row["target"] else ""
                times = f"{row['ours_s']:.3f} | {row['peer_s']:.3f} | {row['ratio']:.2f}"
                print(
                    f"| {kind} | {row['text']} | {peer} | {times} | {row['low']:.2f}-{row['high']:.2f} | {target} |",
                    flush=True,
                )
    args.json.write_text(json.dumps({"pairs": args.pairs, "python": sys.version, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
