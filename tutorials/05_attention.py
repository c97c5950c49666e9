# %% [markdown]
# # 05 · Attention: how does a token look back?
#
# *Forty minutes. You need matrices, and lesson 04's `Linear`.*
#
# In "the cat sat on the mat because **it** was tired", what does *it* mean? Whoever reads the word looks back and
# finds the cat. **Attention** is how a transformer looks back: each token takes a weighted mean of what stands
# before it, and the weights say where it looks (Vaswani et al. 2017, section 3.2).
#
# You will write attention twice: as a function of three tensors, then as the module that GPT-2 has in each of its
# layers. `check` says what is wrong, and at the end your own attention writes a story.

# %%
import math

import torch
from torch import Tensor, nn

import minigpt
from minigpt import check
from minigpt.exercises.lesson import quiz, ready, source
from minigpt.models.config import GPT2Config
from minigpt.models.layers import Linear

ready()
lm = minigpt.load("storyteller", device="cpu")

# %% [markdown]
# ## Query, key and value
#
# Every token brings three vectors, each made from its place in the residual stream by a linear layer:
#
# - a **query** `q`: what am I looking for?
# - a **key** `k`: what do I have to offer?
# - a **value** `v`: what do I hand over to whoever looks at me?
#
# How much token *i* looks at token *j* is decided by the dot product of its query with *j*'s key, the **score**.
# Three tokens, two numbers each:

# %%
q = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # (T, D)
k = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])  # (T, D)
v = torch.tensor([[10.0, 0.0], [0.0, 10.0], [5.0, 5.0]])  # (T, D)
scores = q @ k.T  # (T, T): row i has the scores of token i
scores

# %% [markdown]
# Row 2, column 1 is the dot product of `q[2]` and `k[1]`: 1·0 + 1·2 = 2. So the third token looks most at the
# second one and at itself.
#
# Three things are still missing.
#
# **Scale.** A dot product of *D* numbers grows with *D*: for random numbers of variance 1 its variance is *D*.
# Large scores make the softmax nearly one-hot, and its gradient vanishes. So scores are divided by √D:

# %%
numbers = torch.Generator().manual_seed(0)
for D in (4, 64, 1024):
    dots = (torch.randn(5000, D, generator=numbers) * torch.randn(5000, D, generator=numbers)).sum(dim=-1)
    print(f"D = {D:4}: standard deviation of the scores {dots.std():5.1f}, divided by √D {(dots / D**0.5).std():.2f}")

# %% [markdown]
# **No look ahead.** GPT-2 is trained to say the next token at every place at once. A token that saw the next one
# would have nothing to learn. So what lies after a token gets the score −∞, of which the softmax makes exactly 0:
# the **causal mask**.
#
# **Softmax.** It turns a row of scores into weights that sum to 1.

# %%
T = len(q)
future = torch.ones(T, T, dtype=torch.bool).triu(1)  # True above the diagonal
masked = (scores / math.sqrt(2)).masked_fill(future, -math.inf)
weights = masked.softmax(dim=-1)
print(masked.round(decimals=2), weights.round(decimals=2), weights @ v, sep="\n\n")

# %% [markdown]
# The first row is 1, 0, 0: the first token can see nothing but itself. The result `weights @ v` is, for each
# token, a mean of the values that it may see.
#
# Here are three masks of three kinds of transformers, on a real prompt. GPT-2's is the first:

# %%
lm.show.masks("The cat sat on it")

# %% [markdown]
# ## Exercise 1: `attention`
#
# The same for a whole batch and all heads at once. `q`, `k` and `v` are (B, H, T, D): B texts, H heads, T tokens,
# D numbers each. Matrix products and `softmax` work on the last two dimensions and leave the others alone, so the
# code is hardly longer.

# %% exercise="attention"

# %%
check(attention)

# %% [markdown]
# Stuck? `check.hint("attention")` gives a nudge, again a stronger one; `check.solution("attention")` shows it
# all.
#
# ## Heads
#
# One set of weights can look in one way only. GPT-2 has several **heads** in each layer (12 in the smallest
# model), each with its own slice of the channels: one may look at the token before, another at the subject of the
# sentence. This is what all heads of the embedded storyteller do with one sentence, a row for each layer:

# %%
lm.show.attention("The old king had three sons")

# %% [markdown]
# And one of them large. Each row is a token that looks, each column one that is looked at:

# %%
lm.show.attention("The old king had three sons", layer=1, head=2)

# %% [markdown]
# ## Exercise 2: `CausalSelfAttention`
#
# Now the module, with the names that GPT-2's checkpoint has. `c_attn` makes query, key and value in one product,
# C → 3C; `c_proj` mixes what the heads found, C → C. Between them:
#
# 1. cut the 3C numbers into q, k and v, C each;
# 2. cut each into heads: (B, T, C) → (B, T, H, D) → (B, H, T, D);
# 3. attend, as above;
# 4. put the heads side by side again: (B, H, T, D) → (B, T, C).
#
# The likeliest mistake is in step 2: `view` alone cannot bring the heads before the tokens, `transpose` must. A
# `view` of the wrong shape raises no error, it mixes tokens with channels.

# %% exercise="CausalSelfAttention"

# %%
check(CausalSelfAttention)

# %% [markdown]
# Your attention inside the storyteller, all other parts being its own:

# %%
check.play(CausalSelfAttention, "Once upon a time", n=40)

# %% [markdown]
# What would it write without the causal mask, which it was trained with? Each token now sees the ones after it,
# of which there are none while it writes; but those before it have been computed from what came later, which they
# never were in training.


# %%
class WithoutMask(nn.Module):
    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_attn, self.c_proj = Linear(config.n_embd, 3 * config.n_embd), Linear(config.n_embd, config.n_embd)
        self.n_head = config.n_head

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for t in self.c_attn(x).chunk(3, dim=-1))
        weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(dim=-1)
        return self.c_proj((weights @ v).transpose(1, 2).flatten(2))


report = check(WithoutMask, "attention")
check.play(WithoutMask, "Once upon a time", "attention", n=40)
report

# %% [markdown]
# ## The same in the project
#
# What you wrote is what runs when the storyteller writes. The project keeps the core apart, since Llama shares
# it, and lets it see a cache (lesson 10):

# %%
source(minigpt.models.attention.Attention)

# %% [markdown]
# ## Five questions

# %%
some = torch.randn(1, 1, 4, 8, generator=torch.Generator().manual_seed(1))
with minigpt.record(lm.model) as seen, torch.no_grad():
    lm.model(torch.tensor([lm.encode("The old king had three sons")]))
seen_weights = seen["h.0.attn.weights"]
quiz(
    "Row 0 of the attention weights of a causal model is always",
    ["1, 0, 0, …", "the same number everywhere", "different for each text", "all zeros"],
    "1, 0, 0, …" if all(float(head[0, 0]) == 1 for head in seen_weights[0]) else "different for each text",
    "the first token may see nothing but itself, and a softmax over one score is 1",
)

# %%
quiz(
    "A text has T = 10 tokens, a layer 12 heads. How many weights has its attention, masked ones included?",
    [120, 1200, 540, 100],
    12 * 10 * 10,
    "each head has a T x T matrix",
)

# %%
heads = lm.model.config
quiz(
    "How wide is one head of GPT-2's smallest model, with C = 768 and 12 heads?",
    [64, 768, 12, 2304],
    768 // 12,
    "the heads share the channels: D = C / H",
)

# %%
scaled = torch.tensor([8.0, 0.0]).div(8).softmax(0)
quiz(
    "Scores 8 and 0, D = 64. What does the division by √D make of the larger weight, which is 0.9997 without it?",
    ["0.73", "0.50", "0.9997", "1.00"],
    f"{scaled[0]:.2f}",
    "8 / √64 is 1, and softmax(1, 0) is 0.73, 0.27: still a preference, no longer all or nothing",
)

# %%
order = torch.randperm(4, generator=torch.Generator().manual_seed(2))
mixed = torch.nn.functional.scaled_dot_product_attention(some[:, :, order], some[:, :, order], some[:, :, order])
plain = torch.nn.functional.scaled_dot_product_attention(some, some, some)[:, :, order]
quiz(
    "Without mask and positions: the tokens of a text are shuffled. What happens to the results of attention?",
    ["they are shuffled alike", "they all change", "nothing", "they become equal"],
    "they are shuffled alike" if torch.allclose(mixed, plain, atol=1e-5) else "they all change",
    "attention is a mean over a set and knows no order: that is why GPT-2 adds positions to its tokens",
)
