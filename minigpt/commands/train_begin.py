"""How `minigpt train` begins a run or resumes one: texts, tokenizer, model and trainer, by the flags."""

import argparse
from dataclasses import replace
from typing import Any

from minigpt.commands.common import note_fetch
from minigpt.commands.train_flags import MAY_CHANGE, TRAIN_DEFAULTS, flag
from minigpt.commands.train_texts import BY_HASH, Note, as_list, flags_of, read_texts
from minigpt.commands.train_tuning import USUAL_BLOCK, read_chat_files, with_template
from minigpt.models.gpt2 import GPT2
from minigpt.train.checkpoint import FILE, read_run
from minigpt.train.data import Texts
from minigpt.train.make import make_texts, set_dropout
from minigpt.train.new import NewRun, settings_of
from minigpt.train.record import RunRecord, companions_of
from minigpt.train.trainer import Trainer, fast_precision
from minigpt.train.vocabulary import choose_tokenizer
from tokenizer import Tokenizer
from weights import load_checkpoint
from weights.checkpoint import Checkpoint
from weights.devices import pick_device
from weights.export import MODEL_FILES
from weights.fetch.locate import obtain

Run = tuple[Trainer, Tokenizer, Texts, list[dict[str, float]], RunRecord]
LITTLE = 20_000  # bytes


def start_run(args: argparse.Namespace, device_name: str | None, note: Note) -> Run:
    """A new run: the texts read, the tokenizer trained, the model made or loaded; nothing is written yet."""
    if (args.out / FILE).exists():
        raise ValueError(f"{args.out} holds a run already: --resume goes on with it, --out names another folder")
    base = load_base(args, device_name) if args.finetune else None
    asked: dict[str, Any] = {
        name: TRAIN_DEFAULTS.get(name) if value is None else value for name, value in flags_of(args).items()
    }
    device = pick_device(device_name or asked["device"])
    if asked["precision"] == "auto":
        asked["precision"] = fast_precision(device)
    train_text, validation_text, hashes = ("", "", ()) if args.chat else read_texts(asked, note)
    n_bytes = len(train_text.encode())
    if base:
        tok = base.tokenizer
    else:
        tok = choose_tokenizer(asked["tokenizer"], train_text, asked["vocab_size"], asked["plain"])
    if tok is None:
        raise ValueError(f"{args.finetune} has no vocabulary: a text cannot be encoded for it")
    companions = companions_of(tok, base)
    if base and args.chat:
        companions = with_template(companions, tok)
        asked["block_size"] = asked["block_size"] or min(USUAL_BLOCK, base.model.config.n_ctx)
        texts, hashes = read_chat_files(asked, companions, tok, note)
    else:
        texts = make_texts(train_text, validation_text, tok, asked)
    new = NewRun(asked, texts, n_bytes, tok.n_vocab, device, base.model if base else None, args.shard)
    if n_bytes < LITTLE and not base:
        note(f"{n_bytes:,} bytes is little text: about 100,000 are needed for readable words")
    trainer = new.trainer(note)
    if any(file for pattern in ("config.json", *MODEL_FILES) for file in args.out.glob(pattern)):
        note(f"{args.out} holds a model: it stays until the first one of this run is whole, and is then replaced")
    return trainer, tok, texts, [], RunRecord(new.asked, hashes, companions)


def load_base(args: argparse.Namespace, device: str | None) -> Checkpoint:
    """The checkpoint to start from; a ValueError where it would be overwritten, or is not of the sizes asked for."""
    note_fetch(args.finetune)
    source = obtain(args.finetune).path
    if args.out.exists() and args.out.samefile(source if source.is_dir() else source.parent):
        raise ValueError(f"--out {args.out} is the folder of --finetune {args.finetune}: name another one")
    base = load_checkpoint(args.finetune, pick_device(device or "auto"), "float32")
    if args.dropout is not None and isinstance(base.model, GPT2):
        set_dropout(base.model, args.dropout)
    for name in ("vocab_size", "n_layer", "n_head", "n_embd", "dropout"):
        given, found = getattr(args, name), getattr(base.model.config, name, 0.0)
        if given is not None and given != found:
            told = f"{flag(name)} {given} is for a new model"
            raise ValueError(f"{told}, and {args.finetune} has {found}: leave it out")
    return base


def continue_run(args: argparse.Namespace, device: str | None, note: Note) -> Run:
    """A run as it was saved, with the flags that may change; a ValueError names one that may not, or another text."""
    saved = read_run(args.out, device)
    record = saved.record
    if not record.asked or not record.companions:
        raise ValueError(f"{args.out / FILE} does not say how its run was begun: begin another one with --out")
    given = {name: value for name, value in flags_of(args).items() if value is not None and name not in BY_HASH}
    for name, value in given.items():
        had = record.asked.get(name, TRAIN_DEFAULTS.get(name))  # a flag may be younger than the run
        if name not in MAY_CHANGE and value != had:
            begun = "without it" if had is None else f"with {had}"
            told = f"{flag(name)} {value}: the run in {args.out} was begun {begun}"
            raise ValueError(f"{told}; leave it out, or begin another run")
    if given.get("precision") == "auto":
        given["precision"] = fast_precision(next(saved.model.parameters()).device)
    asked: dict[str, Any] = record.asked | given
    if asked["steps"] < saved.step:
        raise ValueError(f"--steps {asked['steps']}: the run in {args.out} has done {saved.step} steps: give more")
    here = {name: value for name, value in flags_of(args).items() if name in BY_HASH and value is not None}
    tok, kind = record.tokenizer(asked["plain"]), "chat" if asked.get("chat") else "text"
    other = "text" if kind == "chat" else "chat"
    if other in here:
        refused = f"{flag(other)} {', '.join(as_list(here[other]))} is not wanted"
        raise ValueError(f"{refused}, the run in {args.out} was begun with {flag(kind)}: begin another run")
    if kind == "chat":
        texts, hashes = read_chat_files(asked | here, record.companions, tok, note)
    else:
        train_text, validation_text, hashes = read_texts(asked | here, note, args.text is None)
        texts = make_texts(train_text, validation_text, tok, asked)
    for name, found, begun in zip((kind, "val"), hashes, (*record.texts, ""), strict=False):
        if found != begun:
            what = "what the run was begun with, by its SHA-256" if begun else "wanted, its run was begun without"
            file = ", ".join(as_list((asked | here)[name]))
            raise ValueError(f"{flag(name)} {file} is not {what} ({args.out}): name that text, or begin another run")
    trainer = saved.trainer(settings_of(asked, saved.settings), asked["plain"], args.shard)
    if asked["steps"] != record.asked["steps"] and trainer.step:
        now, end = (trainer.settings.rate(step) for step in (trainer.step, asked["steps"]))
        curve = f"from step {trainer.step} on the learning rate follows the curve for {asked['steps']} steps"
        note(f"{curve}: {now:.2g} now, {end:.2g} at the end")
    return trainer, tok, texts, saved.log, replace(record, asked=asked)
