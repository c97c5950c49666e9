"""A tokenizer and a tiny GPT-2, trained on a text file or on a few sentences; seconds on a CPU.

python examples/train_tiny.py my.txt
"""

import sys
from pathlib import Path

import torch

import minigpt
import tokenizer
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.train.trainer import Trainer, TrainSettings

TALE = "The fox saw the bird. The bird saw the fox. The fox ran to the tree, and the bird sat in the tree and sang. "
text = Path(sys.argv[1]).read_text(encoding="utf-8") if len(sys.argv) > 1 else TALE * 20

tok = tokenizer.train(text, vocab_size=300)
ids = torch.tensor(tok.encode(text))  # (N,)
print(f"{len(text):,} characters, {len(ids):,} tokens of {tok.n_vocab}")

torch.manual_seed(0)
model = GPT2(GPT2Config(vocab_size=tok.n_vocab, n_ctx=32, n_layer=2, n_head=2, n_embd=64))
settings = TrainSettings(steps=60, batch_size=16, block_size=32, learning_rate=3e-3, warmup=10)
trainer = Trainer(model, settings)
for step in range(1, settings.steps + 1):
    loss = trainer.do_step(ids)
    if step == 1 or step % 20 == 0:
        print(f"step {step:2}: loss {loss:.3f}")

new = minigpt.generate(model.eval(), tok.encode("The fox"), max_new_tokens=20)
print("The fox" + tok.decode(new))
