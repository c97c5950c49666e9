"""`minigpt export`: a model as a folder in Hugging Face layout."""

import argparse

from minigpt.commands.common import note, note_fetch
from weights.checkpoint import load_checkpoint
from weights.companions import MORE_TEMPLATES
from weights.devices import HALVES, pick_device, pick_dtype
from weights.export import save_checkpoint, write_probe
from weights.fetch.locate import obtain
from weights.formats.folder import expand

WEIGHTS = ("model", "pytorch_model")  # how their files' names begin


def run(args: argparse.Namespace) -> int:
    """Load, write, and compute the probe of the self-check."""
    target = expand(args.folder)
    note_fetch(args.model)
    source = obtain(args.model).path
    if target.resolve() in (source.resolve(), source.resolve().parent):
        raise ValueError(f"{target} is the model's own folder: name another one")
    dtype = pick_dtype(args.dtype, pick_device("cpu"))
    c = load_checkpoint(args.model, "cpu")
    if dtype is None and len(c.report.kinds) == 1:  # half precision became float32 here, and goes back unchanged
        dtype = HALVES.get(next(iter(c.report.kinds)))
    folder = c.path if c.path.is_dir() else None  # a GGUF file holds all that it has
    save_checkpoint(c.model, target, c.tokenizer, dtype, c.generation_config, c.chat_template, source=folder)
    write_probe(target)
    note(f"wrote {target}: {c.report.n_parameters:,} parameters")
    there = {file.name for file in target.iterdir()}
    left = sorted(file.name for file in folder.iterdir() if file.is_file() and file.name not in there) if folder else []
    left = [name for name in left if not name.startswith((".", *WEIGHTS)) and name != MORE_TEMPLATES]
    if left:
        note(f"not copied, as no model is made of it: {', '.join(left)}")
    return 0
