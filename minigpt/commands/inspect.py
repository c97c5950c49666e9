"""How a model was loaded, and what it is made of: the report, then the tree of modules with shapes and sizes."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

HELP = "how a model was loaded, and the tree of its modules with shapes and sizes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `minigpt inspect`."""
    parser.add_argument("name", nargs="?", default="storyteller", metavar="MODEL", help="a name, a folder, a GGUF file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: %(default)s)")
    parser.add_argument("--dtype", help="float32, float16, bfloat16 (default: the checkpoint's own)")
    parser.add_argument("--force", action="store_true", help="also where the device fails the self-check")


def run(args: argparse.Namespace) -> int:
    """Load and print."""
    from weights.checkpoint import load_checkpoint

    c = load_checkpoint(args.name, args.device, args.dtype, args.force)
    tok = c.tokenizer
    print(f"{'path':<13}{c.path}\n{c.report.text()}")
    print(f"{'vocabulary':<13}{f'{tok.n_vocab:,} tokens' if tok else 'none'}")
    print(f"{'chat':<13}{'has a template' if c.chat_template else 'no template: a model that continues text'}")
    print(f"{'config':<13}{c.model.config}\n")
    print("\n".join(tree(c.model)))
    return 0


def tree(model: "nn.Module") -> list[str]:
    """One line per module: its name, what it is, its shapes, its parameters and bytes; equal blocks stand once.

    >>> from minigpt.models.gpt2 import GPT2, GPT2Config
    >>> for line in tree(GPT2(GPT2Config(vocab_size=10, n_ctx=4, n_layer=3, n_head=1, n_embd=2)))[:3]:
    ...     print(line)
    GPT2                                                                       254     1.0 kB
    ├─ wte: Embedding (10 x 2)  weight (10, 2)                                  20       80 B
    ├─ wpe: Embedding (4 x 2)  weight (4, 2)                                     8       32 B
    """
    from weights.report import size_text

    rows = branches(model, "", type(model).__name__)
    width = max(56, *(len(label) for label, *_ in rows))
    return [f"{label:<{width}}{n:>15,}  {size_text(n_bytes):>9}" for label, n, n_bytes in rows]


def branches(module: "nn.Module", indent: str, label: str) -> list[tuple[str, int, int]]:
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


def groups(module: "nn.Module") -> list[tuple[str, "nn.Module"]]:
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
