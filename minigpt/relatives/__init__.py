"""GPT-2's relatives, ready to use, as `minigpt.load_relative("all-minilm-l6-v2").embed(texts)`: BERT makes vectors,
BART and T5 read a text and write another."""

from pathlib import Path

import torch

from minigpt.relatives.encoder import Encoder
from minigpt.relatives.seq2seq import Seq2Seq
from weights.relatives import load_relative_checkpoint

KINDS: dict[str, type[Encoder] | type[Seq2Seq]] = {"bert": Encoder, "bart": Seq2Seq, "t5": Seq2Seq}  # by model_type


def load_relative(
    name: str | Path, device: str | torch.device = "auto", dtype: torch.dtype | str | None = None
) -> Encoder | Seq2Seq:
    """A relative of GPT-2, by its registered name, a Hub id or a folder in Hugging Face's layout, with its methods:
    a BERT's `embed`, `similar` and `fill_mask`, a BART's or T5's `generate`.

    `device` and `dtype` are as in `minigpt.load`. Raises ValueError or OSError, saying what to do.
    """
    checkpoint = load_relative_checkpoint(name, device, dtype)
    return KINDS[checkpoint.report.family].of(checkpoint)
