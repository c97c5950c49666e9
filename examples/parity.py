"""Our logits against those of transformers, on the same ids: they differ by rounding only.

python examples/parity.py
"""

from pathlib import Path

import torch

import minigpt

try:
    from transformers import GPT2LMHeadModel
except ImportError:
    raise SystemExit("this compares with transformers: pip install -c constraints.txt transformers") from None

folder = Path(__file__).parents[1] / "weights" / "storyteller"
lm = minigpt.load(str(folder), device="cpu", dtype="float32")  # the file has float16, too coarse for a comparison
theirs = GPT2LMHeadModel.from_pretrained(folder).float().eval()
ids = torch.tensor([lm.tokenizer.encode("Once upon a time there was a king who had three daughters.")])  # (B, T)

with torch.no_grad():
    ours = lm.model(ids)  # (B, T, V)
    expected = theirs(ids).logits  # (B, T, V)

difference = (ours - expected).abs().max().item()
print(f"logits {tuple(ours.shape)}: largest difference {difference:.1e}, largest logit {expected.abs().max():.1f}")
assert difference < 1e-4, "our logits are not those of transformers"
assert torch.equal(ours.argmax(-1), expected.argmax(-1))
