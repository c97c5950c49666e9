"""How many questions about a text a tuned storyteller answers as the rules do that made its dialogues:

    python -m minigpt.train.examine storyteller-chat val.txt

It answers greedily; `questions.py` has the rules. Only what is in the passage is right or wrong: who, where, said,
name and shorter.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from minigpt.language_model import LanguageModel, load
from minigpt.train.data import read_text
from minigpt.train.dialogues import dialogues
from minigpt.train.questions import EXACT, FREE

N_QUESTIONS = 50  # of each kind


class Answered(NamedTuple):
    """A question, what the rule answers, and what the model answers."""

    kind: str
    question: str
    wanted: str
    answer: str

    @property
    def right(self) -> bool:
        return self.answer.strip() == self.wanted


def examine(lm: LanguageModel, text: str, count: int = N_QUESTIONS, seed: int = 0) -> Iterator[Answered]:
    """Up to `count` questions of each kind that has a right answer, about passages of a text, and the answers."""
    for kind, turns in dialogues(text, count * (len(EXACT) + len(FREE)), seed):
        if kind in EXACT:
            question, wanted = turns[0]
            found = lm.chat([{"role": "user", "content": question}], temperature=0, max_new_tokens=60)
            yield Answered(kind, question, wanted, found.text)


def main(words: Sequence[str] | None = None) -> None:
    """Print the share of right answers of each kind."""
    about = str(__doc__).split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m minigpt.train.examine", description=about)
    parser.add_argument("model", metavar="MODEL", help="a name or a folder")
    parser.add_argument("text", type=Path, metavar="FILE", help="tales that it was not trained on")
    parser.add_argument(
        "--count", type=int, default=N_QUESTIONS, metavar="N", help="of each kind (default: %(default)s)"
    )
    parser.add_argument("--show", action="store_true", help="print every question with both answers")
    args = parser.parse_args(words)
    try:
        lm, text = load(args.model), read_text(args.text)
        lm.chat_format()  # refused before anything is computed
    except (OSError, ValueError) as error:
        parser.error(str(error))
    asked, right = Counter[str](), Counter[str]()
    for one in examine(lm, text, args.count):
        asked[one.kind] += 1
        right[one.kind] += one.right
        if args.show:
            print(f"{one.question}\n-> {one.answer}\n{'right' if one.right else f'wanted: {one.wanted}'}\n", flush=True)
    if not asked:
        parser.error(f"{args.text} holds no dialogues: give a longer text")
    for kind in sorted(asked):
        print(f"{kind:8} {right[kind]:3} of {asked[kind]}")


if __name__ == "__main__":
    main()
