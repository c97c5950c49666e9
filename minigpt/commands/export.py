"""Write a model as a folder in Hugging Face layout, which transformers and this project read; no number changes."""

import argparse
import sys

HELP = "write a model as a folder in Hugging Face layout"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `minigpt export`."""
    parser.add_argument("name", metavar="MODEL", help="a registered name, a Hub id, a folder or a GGUF file")
    parser.add_argument("folder", metavar="FOLDER", help="where to; an existing model there is replaced")
    parser.add_argument("--dtype", help="float32, float16 or bfloat16 (default: the checkpoint's own)")


def run(args: argparse.Namespace) -> int:
    """Load, write, and compute the probe of the self-check."""
    from weights.checkpoint import load_checkpoint
    from weights.devices import HALVES, pick_device, pick_dtype
    from weights.export import save_checkpoint, write_probe
    from weights.fetch.locate import obtain
    from weights.formats.folder import expand

    target = expand(args.folder)
    source = obtain(args.name).path
    if target.resolve() in (source.resolve(), source.resolve().parent):
        raise ValueError(f"{target} is the model's own folder: name another one")
    dtype = pick_dtype(args.dtype, pick_device("cpu"))
    c = load_checkpoint(args.name, "cpu")
    if dtype is None and len(c.report.kinds) == 1:  # a half became float32 here, and goes back unchanged
        dtype = HALVES.get(next(iter(c.report.kinds)))
    save_checkpoint(c.model, target, c.tokenizer, dtype, c.generation_config, c.chat_template)
    write_probe(target)
    print(f"wrote {target}: {c.report.n_parameters:,} parameters", file=sys.stderr)
    return 0
