"""What `minigpt train --finetune` reads: the model to start from, and the chats of --chat."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from minigpt.commands.common import note, note_fetch
from minigpt.train.chats import template_files
from minigpt.train.checkpoint import RunRecord
from minigpt.train.data import Texts
from minigpt.train.tuning import chat_texts
from tokenizer import Tokenizer
from weights import load_checkpoint
from weights.checkpoint import Checkpoint
from weights.devices import pick_device
from weights.fetch.locate import obtain


def load_base(args: argparse.Namespace) -> Checkpoint:
    """The checkpoint to start from; a ValueError where it would be overwritten, or is not of the sizes asked for."""
    note_fetch(args.finetune)
    source = obtain(args.finetune).path
    if args.out.samefile(source if source.is_dir() else source.parent):
        raise ValueError(f"--out {args.out} is the folder of --finetune {args.finetune}: name another one")
    base = load_checkpoint(args.finetune, pick_device(args.device or "auto"), "float32")
    for name in ("vocab_size", "n_layer", "n_head", "n_embd", "dropout"):
        given, found = getattr(args, name), getattr(base.model.config, name, 0.0)
        if given is not None and given != found:
            flag = f"--{name.replace('_', '-')}"
            raise ValueError(f"{flag} {given} is for a new model, and {args.finetune} has {found}: leave it out")
    return base


def with_template(record: RunRecord, tok: Tokenizer) -> RunRecord:
    """The record with the chat template that its model is tuned by, its own or, where it has none, ours."""
    with record.files() as folder:
        return replace(record, companions=record.companions | template_files(folder, tok))


def read_chat_files(files: Sequence[Path], record: RunRecord, tok: Tokenizer) -> tuple[Texts, tuple[str, ...]]:
    """The chats in the place of texts, and the SHA-256 of each file's text; says what became of them."""
    with record.files() as folder:
        texts, hashes, told = chat_texts(files, folder, tok, record.asked)
    note(told)
    return texts, hashes
