"""The letters of a shape: those of the comment at the line's end, else those of the shapes that the models use.

B batch, T new tokens, S slots, C channels, H heads, H_kv heads of keys and values, D head size, V vocabulary.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from minigpt.models.llama_config import Config

Letters = tuple[str, ...]
GROUP = re.compile(r"\(([^()]*,[^()]*)\)")
FACTOR = re.compile(r"(\d*)([A-Za-z_]\w*)")
SHAPES = [  # that the models use; where several fit, only the letters count that all of them agree on
    tuple(shape.split())
    for shape in (
        *("C", "D", "S", "V", "D/2", "inner", "3C", "H·D", "H_kv·D"),
        *("B T", "B 1", "T S", "V C", "C V", "H·D C", "C H·D", "H_kv·D C", "C H_kv·D", "3C C", "C 3C"),
        *("inner C", "C inner"),
        *("B T C", "B T 1", "B T 3C", "B T inner", "B T V", "B T H·D", "B T H_kv·D", "B T S"),
        *("B H T D", "B H_kv T D", "B T H D", "B T H_kv D", "B H S D", "B H_kv S D", "B H D S"),
        *("B H T S", "B H T 1", "B H T D/2", "B H_kv T D/2", "B 1 T S", "B 1 T D/2", "B 1 T 1"),
    )
]
SAME = (("T", "S", "1"), ("H", "H_kv", "1"), ("C", "H·D", "H_kv·D"))  # where sizes are equal, the first is meant


def sizes_of(config: Config, n_rows: int, n_tokens: int, n_slots: int) -> dict[str, int]:
    """The size that each letter stands for in one forward pass."""
    sizes = {"B": n_rows, "T": n_tokens, "S": n_slots, "C": config.n_embd, "H": config.n_head}
    sizes |= {"H_kv": config.n_kv_head, "D": config.head_dim, "V": config.vocab_size, "inner": config.n_inner}
    return sizes


def letters(shape: Sequence[int], told: Iterable[str], sizes: Mapping[str, int]) -> Letters:
    """A letter for each dimension, "" where it is not certain. `told` are comments and shapes that may name it.

    >>> sizes = {"B": 1, "T": 3, "S": 3, "C": 8, "H": 2, "H_kv": 2, "D": 4, "V": 50, "inner": 32}
    >>> letters((1, 2, 3, 3), ["(B, H, T, S), each row sums to 1"], sizes), letters((1, 3, 8), [], sizes)
    (('B', 'H', 'T', 'S'), ('B', 'T', 'C'))
    >>> letters((7, 3, 8), [], sizes)
    ('', '', '')
    """
    for text in told:
        for group in GROUP.findall(text):
            names = tuple(name.strip() for name in group.split(",") if name.strip())
            if fits(names, shape, sizes):
                return tuple(readable(name, sizes) for name in names)
    fitting = [names for names in SHAPES if fits(names, shape, sizes)]
    if not fitting:
        return ("",) * len(shape)
    return tuple(readable(agreed({names[i] for names in fitting}), sizes) for i in range(len(shape)))


def agreed(names: set[str]) -> str:
    """The one letter that is meant, or "".

    >>> agreed({"S", "T"}), agreed({"H·D", "C"}), agreed({"T", "H"})
    ('T', 'C', '')
    """
    if len(names) == 1:
        return next(iter(names))
    return next((next(name for name in same if name in names) for same in SAME if names <= {*same}), "")


def fits(names: Sequence[str], shape: Sequence[int], sizes: Mapping[str, int]) -> bool:
    """Whether the letters stand for exactly these sizes."""
    return len(names) == len(shape) and all(size_of(a, sizes) == n for a, n in zip(names, shape, strict=True))


def size_of(name: str, sizes: Mapping[str, int]) -> int | None:
    """What a letter, or a product or a part of letters, stands for; None where it is unknown.

    >>> [size_of(name, {"H": 2, "D": 6}) for name in ("H·D", "D/2", "3D", "1", "...")]
    [12, 3, 18, 1, None]
    """
    if name.isdecimal():
        return int(name)
    top, _, bottom = name.partition("/")
    size = 1
    for factor in top.split("·"):
        found = FACTOR.fullmatch(factor)
        if not found or found[2] not in sizes:
            return None
        size *= int(found[1] or 1) * sizes[found[2]]
    return size // int(bottom) if bottom.isdecimal() else size if not bottom else None


def readable(name: str, sizes: Mapping[str, int]) -> str:
    """The MLP's width as a multiple of C where it is one, as in the models' comments."""
    if name != "inner":
        return name
    times, rest = divmod(sizes["inner"], sizes["C"])
    return f"{times}C" if not rest else "inner"
