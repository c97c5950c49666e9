"""A row of the table: who is compared with whom, in which task, and the target ratio."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tokenizer.suggest import did_you_mean


@dataclass(frozen=True)
class Task:
    """What a contestant does: a function of a file in minigpt/bench/contestants, "hugging_face:generate", and its
    options. The function gets ready and returns what is then timed again and again."""

    maker: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The module that it lives in, which gets a process of its own."""
        return self.maker.partition(":")[0]


@dataclass(frozen=True)
class Row:
    """One comparison. The ratio is the peer's time over ours and at least `target`; with `at_most` it is ours over the
    peer's (time or memory) and at most `target`. Without a target the row informs only."""

    name: str  # its first word is its group: "decode-float32-transformers"
    what: str
    against: str
    target: float | None
    ours: Task
    peer: Task
    at_most: bool = False
    equal: str = "same"  # how outputs are compared before timing: see contest.check_equal
    pairs: int | None = None  # at most this many: for memory, which hardly varies, and for slow rows
    needs: tuple[str, ...] = ()  # packages, by the names under which pip knows them
    cuda: bool = False  # only where there is a GPU

    @property
    def group(self) -> str:
        """The first word of the name."""
        return self.name.split("-")[0]

    @property
    def goal(self) -> str:
        """The target in a few characters.

        >>> Row("a", "", "", 1.7, Task("x:y"), Task("x:y")).goal
        '≥ 1.7'
        """
        return "" if self.target is None else f"{'≤' if self.at_most else '≥'} {self.target:g}"


def choose(rows: Sequence[Row], words: Iterable[str]) -> list[Row]:
    """The rows of these names or groups, in the table's order; all of them if no word is given.

    Raises ValueError for a word that is neither.
    """
    words = list(words)
    groups = list(dict.fromkeys(row.group for row in rows))
    for word in words:
        if word not in groups and all(word != row.name for row in rows):
            hint = did_you_mean(word, [*groups, *(row.name for row in rows)])
            raise ValueError(
                f"there is no row or group {word!r}: {hint or 'the groups are ' + ', '.join(groups)} (--list shows all)"
            )
    return [row for row in rows if not words or row.name in words or row.group in words]
