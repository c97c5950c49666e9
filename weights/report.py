"""What a load did with every tensor of the files, so that nothing is silently lost or invented."""

from dataclasses import dataclass, field


@dataclass
class LoadReport:
    """Which tensors of the files became which parameters, and how.

    >>> print(LoadReport("gpt2", used=["h.0.ln_1.weight"], n_parameters=768, n_bytes=3072).text())
    family       gpt2
    files        none
    used         1 tensor: 768 parameters, 3.1 kB as float32 on cpu
    transposed   0
    tied         0
    ignored      0
    missing      0
    unexpected   0
    self-check   not run
    """

    family: str
    files: list[str] = field(default_factory=list)  # one line each: name, size, how it was verified
    kinds: dict[str, int] = field(default_factory=dict)  # the files' number types -> how many parameters
    used: list[str] = field(default_factory=list)  # parameters, in the files' order
    transposed: list[str] = field(default_factory=list)  # those stored as (in, out) or in another order of rows
    tied: list[str] = field(default_factory=list)  # stored twice and found equal
    ignored: list[str] = field(default_factory=list)  # known to be no parameters: mask buffers
    missing: list[str] = field(default_factory=list)  # parameters that no file has; always an error
    unexpected: list[str] = field(default_factory=list)  # tensors that no parameter takes; always an error
    n_parameters: int = 0
    n_bytes: int = 0
    dtype: str = "float32"
    own_dtype: str = "float32"  # the files' own, in which the model is loaded unless another is asked for
    device: str = "cpu"
    chosen: str = ""  # why this dtype, where dtype="auto" chose it
    self_check: str = "not run"

    def text(self) -> str:
        """The report in lines of words and counts."""
        used = f"{plural(len(self.used), 'tensor')}: {self.n_parameters:,} parameters, {size_text(self.n_bytes)}"
        kinds = ", ".join(f"{count} x {kind}" for kind, count in self.kinds.items())
        rows = {
            "family": self.family,
            "files": ("\n" + 13 * " ").join(self.files) or "none",
            **({"stored as": kinds} if kinds else {}),
            "used": f"{used} as {self.dtype} on {self.device}",
            **({"dtype": self.chosen} if self.chosen else {}),
            "transposed": examples(self.transposed),
            "tied": examples(self.tied),
            "ignored": examples(self.ignored),
            "missing": examples(self.missing),
            "unexpected": examples(self.unexpected),
            "self-check": self.self_check,
        }
        return "\n".join(f"{name:<13}{value}" for name, value in rows.items())


def plural(n: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "tensor"), plural(2, "tensor")
    ('1 tensor', '2 tensors')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def examples(names: list[str], n: int = 3) -> str:
    """A count and the first few names.

    >>> examples(["a", "b", "c", "d"], 2)
    '4: a, b, …'
    """
    return f"{len(names)}" + (": " if names else "") + ", ".join([*names[:n], *(["…"] if len(names) > n else [])])


def size_text(n_bytes: float) -> str:
    """A number of bytes in a readable unit, powers of 1000.

    >>> size_text(548_105_171)
    '548.1 MB'
    """
    if n_bytes < 1000:
        return f"{n_bytes:.0f} B"
    power = 1 if n_bytes < 1e6 else 2 if n_bytes < 1e9 else 3
    return f"{n_bytes / 1000**power:.1f} {('B', 'kB', 'MB', 'GB')[power]}"
