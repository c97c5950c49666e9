"""A checkpoint that is one GGUF file: llama.cpp's names and order of rows, the vocabulary and the template inside."""

from pathlib import Path

import torch
from torch import nn

from tokenizer.formats.regular import check_regular
from weights.companions import Companions, load_vocabulary
from weights.families import gguf
from weights.families.gguf_settings import has_vocabulary, read_generation_config
from weights.fetch.checksums import verified
from weights.loading import load_model
from weights.report import LoadReport


def load_gguf(path: Path, device: torch.device, dtype: torch.dtype | None) -> tuple[nn.Module, LoadReport, Companions]:
    """The model of a GGUF file, the report of its loading, and what else the file holds; ValueErrors name the file."""
    checked = [verified(check_regular(path))]
    found = gguf.read(path)
    checked += [verified(file) for file in found.files[1:]]
    try:
        defaults = read_generation_config(found.values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    tok = load_vocabulary(path, found.config.vocab_size) if has_vocabulary(found.values) else None
    model, report = load_model(found.config, found.family, found.tensors, str(path), device, dtype)
    report.files, report.transposed = checked, found.reordered
    return model, report, Companions(tok, defaults, found.values.get("tokenizer.chat_template"))
