"""Three ways to continue a prompt: greedily, sampled with a seed, and as a stream.

python examples/generate.py "The old king"
"""

import sys

import minigpt

lm = minigpt.load("storyteller")
prompt = sys.argv[1] if len(sys.argv) > 1 else "The old king"

greedy = lm.generate(prompt, max_new_tokens=30, temperature=0)  # always the most likely token
print("greedy: ", prompt + greedy.text, f"[{greedy.finish_reason}]")

for seed in (1, 2, 1):  # the same seed gives the same text
    sampled = lm.generate(prompt, max_new_tokens=30, temperature=0.8, top_p=0.95, seed=seed)
    print(f"seed {seed}: ", prompt + sampled.text)

print("stream:  ", prompt, end="", flush=True)
for piece in lm.stream(prompt, max_new_tokens=30, temperature=0.8, top_p=0.95, seed=1):
    print(piece, end="", flush=True)
print()
