"""Small dialogues made from tales by rule, to tune a storyteller until it answers:

    python -m minigpt.train.dialogues tales.txt > chats.jsonl

The same text gives the same dialogues; `questions.py` has the rules.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

from minigpt.train.data import read_text, split_documents
from minigpt.train.passages import all_passages, sentences
from minigpt.train.questions import EXACT, FREE, Pair

N_DIALOGUES = 6000


def dialogues(text: str, count: int = N_DIALOGUES, seed: int = 0) -> Iterator[tuple[str, list[Pair]]]:
    """The kind and the turns of each dialogue, as many of every kind as there are places for it, `count` in all. Now
    and then a second question is asked about the same passage."""
    rng = Random(seed)
    documents = [all_passages(sentences(document)) for document in split_documents(text)]
    places = [pair for passages in documents for pair in pairwise(passages)]
    rng.shuffle(places)  # a place serves once
    left = dict.fromkeys((*EXACT, *FREE), -(-count // (len(EXACT) + len(FREE))))
    for passage, after in places:
        for kind in sorted(filter(left.get, left), key=lambda kind: -left[kind]):  # the rarest first
            pair = EXACT[kind](passage, rng) if kind in EXACT else FREE[kind](passage, after, rng)
            if pair:
                left[kind] -= 1
                yield kind, [pair, *second(kind, passage, rng)]
                break


def second(kind: str, passage: str, rng: Random) -> list[Pair]:
    """Now and then another question about a passage, which it need not quote again."""
    others = [other for other in ("who", "where", "said", "name") if other != kind]
    pair = (
        EXACT[rng.choice(others)](passage, rng) if kind in EXACT and kind != "shorter" and rng.random() < 0.4 else None
    )
    return [(pair[0].split("\n")[0], pair[1])] if pair else []


def main(words: Sequence[str] | None = None) -> None:
    """Write the dialogues of a text to standard output, one per line."""
    about = str(__doc__).split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m minigpt.train.dialogues", description=about)
    parser.add_argument("text", type=Path, metavar="FILE", help="tales; <|endoftext|> separates them")
    parser.add_argument("--count", type=int, default=N_DIALOGUES, metavar="N", help="dialogues (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    args = parser.parse_args(words)
    try:
        made = list(dialogues(read_text(args.text), args.count, args.seed))
    except ValueError as error:
        parser.error(str(error))
    if not made:
        parser.error(f"{args.text} holds no dialogues: give a longer text")
    Random(args.seed).shuffle(made)
    for _, turns in made:
        said = [(role, text) for turn in turns for role, text in zip(("user", "assistant"), turn, strict=True)]
        print(json.dumps({"messages": [{"role": role, "content": text} for role, text in said]}, ensure_ascii=False))


if __name__ == "__main__":
    main()
