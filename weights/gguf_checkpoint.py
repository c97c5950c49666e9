"""A checkpoint that is one GGUF file: llama.cpp's names and order of rows, the vocabulary and the template inside."""

from pathlib import Path

import torch
from torch import nn

from weights.companions import Companions, load_vocabulary
from weights.families import gguf_llama
from weights.families.llama import LLAMA_FAMILY
from weights.fetch.checksums import verified
from weights.loading import load_model
from weights.report import LoadReport


def load_gguf(path: Path, device: torch.device, dtype: torch.dtype | None) -> tuple[nn.Module, LoadReport, Companions]:
    """The Llama of a GGUF file, the report of its loading, and what else the file holds; ValueErrors name the file."""
    checked = verified(path)
    values, config, stored, reordered = gguf_llama.read(path)
    model, report = load_model(config, LLAMA_FAMILY, stored, str(path), device, dtype)
    report.files, report.transposed = [checked], reordered
    tok = load_vocabulary(path, config.vocab_size) if "tokenizer.ggml.tokens" in values else None
    defaults = gguf_llama.read_generation_config(values)
    return model, report, Companions(tok, defaults, values.get("tokenizer.chat_template"))
