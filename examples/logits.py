"""Token ids in, logits out: the five most likely next tokens of a prompt.

python examples/logits.py "Once upon a"
"""

import sys

import torch

import minigpt

lm = minigpt.load("storyteller")
prompt = sys.argv[1] if len(sys.argv) > 1 else "Once upon a"
ids = torch.tensor([lm.tokenizer.encode(prompt)])  # (B, T), with B = 1

with torch.no_grad():
    logits = lm.model(ids)  # (B, T, V): at each place the scores of every possible next token
probabilities = logits[0, -1].softmax(dim=-1)  # (V,), after the last token

print(f"{prompt!r}: ids {tuple(ids.shape)} -> logits {tuple(logits.shape)}")
for p, i in zip(*probabilities.topk(5), strict=True):
    print(f"{p.item():8.2%}  {logits[0, -1, i].item():7.3f}  {lm.tokenizer.decode([i.item()])!r}")
