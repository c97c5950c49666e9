"""`minigpt inspect`: the report of the load, then the tree of modules with shapes and sizes."""

import argparse
import re

from torch import nn

from minigpt.analysis.activations import places
from minigpt.commands.common import note_fetch
from minigpt.terminal import ENDLESS, columns, table, wrap
from tokenizer.display import DIM, paint, use_color
from weights.checkpoint import load_checkpoint
from weights.report import size_text


def run(args: argparse.Namespace) -> int:
    """Load and print."""
    note_fetch(args.model)
    c = load_checkpoint(args.model, args.device, args.dtype, args.force)
    width, color = columns(unknown=ENDLESS), use_color()
    if args.activations:
        print("\n".join(activations(c.model, width, color)))
        return 0
    facts = [
        ("path", str(c.path)),
        ("vocabulary", f"{c.tokenizer.n_vocab:,} tokens" if c.tokenizer else "none"),
        ("chat", "has a template" if c.chat_template else "no template: a model that continues text"),
        ("config", str(c.model.config)),
    ]
    path, *others = (f"{name:<13}{value}" for name, value in facts)
    for line in [path, *c.report.text().split("\n"), *others]:
        first, *more = wrap(line, width, indent=13)
        print("\n".join([paint(first[:13], DIM, color) + first[13:], *more]))
    print()
    print("\n".join(tree(c.model, width, color)))
    return 0


def activations(model: nn.Module, width: int = ENDLESS, color: bool = False) -> list[str]:
    """One line per activation of a forward pass, in its order: the name, the shape; equal blocks are shown once.

    >>> from minigpt.models.gpt2 import GPT2, GPT2Config
    >>> activations(GPT2(GPT2Config(vocab_size=10, n_ctx=4, n_layer=3, n_head=1, n_embd=2)))[:3]
    ['activation            shape', 'wte                   B T C', 'wpe                   B T C']
    """
    found = places(model)
    last = max(int(name.split(".")[1]) for name in found if name.startswith("h."))
    rows = [(name, place.shape) for name, place in found.items() if not re.match(r"h\.[1-9]", name)]
    named = [(name.replace("h.0.", f"h.0 … {last}."), shape) for name, shape in rows]
    return table([("activation", "shape"), *named], width, color=color)


def tree(model: nn.Module, width: int = ENDLESS, color: bool = False) -> list[str]:
    """One line per module: its name, what it is, its shapes, its parameters and bytes; equal blocks are shown once.

    >>> from minigpt.models.gpt2 import GPT2, GPT2Config
    >>> for line in tree(GPT2(GPT2Config(vocab_size=10, n_ctx=4, n_layer=3, n_head=1, n_embd=2)), 50)[:4]:
    ...     print(line)
    module
      parameters  bytes
    GPT2
      254  1.0 kB
    """
    rows = branches(model, "", type(model).__name__)
    lines = [(label, f"{n:,}", size_text(n_bytes)) for label, n, n_bytes in rows]
    return table([("module", "parameters", "bytes"), *lines], width, numbers=(1, 2), color=color)


def branches(module: nn.Module, indent: str, label: str) -> list[tuple[str, int, int]]:
    """The lines of a module and, below it, of its parts: label, number of parameters, bytes."""
    shapes = "".join(f"  {name} {tuple(p.shape)}" for name, p in module.named_parameters(recurse=False))
    parameters = list(module.parameters())
    rows = [(label + shapes, sum(p.numel() for p in parameters), sum(p.nbytes for p in parameters))]
    parts = groups(module)
    for i, (name, part) in enumerate(parts):
        last = i == len(parts) - 1
        note = part.extra_repr()
        line = f"{indent}{'└─ ' if last else '├─ '}{name}: {type(part).__name__}" + (f" ({note})" if note else "")
        rows += branches(part, indent + ("   " if last else "│  "), line)
    return rows


def groups(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The parts with their names; neighbours in a list that print the same become one, "0 … 11"."""
    parts: list[tuple[str, nn.Module]] = []
    first = ""
    for name, part in module.named_children():
        if parts and name.isdigit() and repr(part) == repr(parts[-1][1]):
            parts[-1] = (f"{first} … {name}, each", parts[-1][1])
        else:
            first = name
            parts.append((name, part))
    return [(name, part) for name, part in parts if list(part.parameters())]
