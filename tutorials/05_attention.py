# %% [markdown]
# # 05 · Attention: how does a token look back?
#
# *Fifty minutes. You need matrices, and lesson 04's `Linear`.*
#
# In "the cat sat on the mat because **it** was tired", what does *it* mean? As you read the word, you look back and
# find the cat. **Attention** is how a transformer looks back: each token takes a weighted mean of what comes before
# it, and the weights say where it looks (Vaswani et al. 2017, section 3.2).
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
# The model holds a row of C numbers for each token (its *channels*; lesson 04 called them the residual stream). From
# these numbers three linear layers make three vectors:
#
# - a **query** `q`: what am I looking for?
# - a **key** `k`: what do I have to offer?
# - a **value** `v`: what do I pass on to a token that looks at me?
#
# How much token *i* looks at token *j* is decided by the dot product of its query with *j*'s key, the **score**.
# Three tokens, two numbers each (T = 3, D = 2):

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
# **Softmax.** The scores of a row must become weights that sum to 1. Softmax turns each score *s* into eˢ, divided by
# the sum of eˢ over the row: all weights are positive, and larger scores get much more.

# %%
for row in ([1.0, 0.0], [8.0, 0.0], [1.0, 1.0, -math.inf]):
    print(row, "->", [f"{weight:.4f}" for weight in torch.tensor(row).softmax(dim=0)])

# %% [markdown]
# **Scale.** With scores of 8 and 0 nearly all the weight goes to one token, and a small change in a score changes
# almost nothing: training has nothing to go by. And scores do become large. A dot product is a sum of *D* products; for
# random numbers of mean 0 and variance 1, its variance is *D*, its standard deviation √D. So scores are divided by √D:

# %%
numbers = torch.Generator().manual_seed(0)
for D in (4, 64, 1024):
    dots = (torch.randn(5000, D, generator=numbers) * torch.randn(5000, D, generator=numbers)).sum(
        dim=-1
    )
    print(
        f"D = {D:4}: standard deviation of the scores {dots.std():5.1f}, divided by √D {(dots / D**0.5).std():.2f}"
    )

# %% [markdown]
# **No looking ahead.** GPT-2 is trained to predict the next token at every position at once. A token that saw the next
# one would have nothing to learn. So every later token gets the score −∞, which softmax turns into exactly 0: the
# **causal mask**.
#
# All three together:

# %%
T = len(q)
future = torch.ones(T, T, dtype=torch.bool).triu(1)  # True above the diagonal
D = q.shape[-1]
masked = (scores / math.sqrt(D)).masked_fill(future, -math.inf)
weights = masked.softmax(dim=-1)
print(masked.round(decimals=2), weights.round(decimals=2), weights @ v, sep="\n\n")

# %% [markdown]
# The first row is 1, 0, 0: the first token can see nothing but itself. The result `weights @ v` is, for each
# token, a weighted mean of the values that it may see.
#
# Other transformers have other masks. Here are four on a real prompt: GPT-2's; that of a model that reads the whole
# text at once (BERT, lesson 13), with the columns of `[PAD]` crossed out, which gave lesson 01's *attention mask* its
# name; GPT-2's again, while it writes with a cache (lesson 10); and that of a model with two halves, one of which
# looks at the other (T5, lesson 13).

# %%
lm.show.masks("The cat sat on it")

# %% [markdown]
# ## Exercise 1: `attention`
#
# The same for a whole batch and all heads at once. `q`, `k` and `v` are (B, H, T, D): B texts, H heads, T tokens, D
# numbers each. `@` works on the last two dimensions and leaves the others alone, `softmax(dim=-1)` on the last one.
# `.T` will not do here: it reverses *all* dimensions; `k.transpose(-2, -1)` swaps the last two.

# %% exercise="attention"

# %%
check(attention)

# %% [markdown]
# Stuck? `check.hint("attention")` gives a stronger hint each time; `check.solution("attention")` shows the solution,
# `check.solution(attention)` shows it next to your code.
#
# ## Heads
#
# One set of weights can look in only one way. GPT-2 has several **heads** in each block (12 in the smallest model),
# each with its own share of the C numbers: one may look at the token before, another at the subject of the sentence.
# Here are all heads of the storyteller on one sentence, with a row for each block, here called layer:

# %%
lm.show.attention("The old king had three sons")

# %% [markdown]
# Many heads look mostly at the first token, the leftmost column: a head that finds nothing to look at must still give
# its weight to something, and the first token is always there. Here is one head, enlarged; each row is a token that
# looks, each column one that is looked at:

# %%
lm.show.attention("The old king had three sons", layer=1, head=2)

# %% [markdown]
# ## Exercise 2: `CausalSelfAttention`
#
# Now the module, with the names used in GPT-2's weight files. Each token comes with C = `config.n_embd` numbers,
# there are H = `config.n_head` heads, so each has D = C / H. `c_attn` makes query, key and value in one product,
# C → 3C; `c_proj` mixes what the heads found, C → C. Between them:
#
# 1. cut the 3C numbers into q, k and v, C each (`chunk(3, dim=-1)`);
# 2. cut each into heads: (B, T, C) → (B, T, H, D) by `view`, then → (B, H, T, D) by `transpose`;
# 3. attend, as above;
# 4. put the heads side by side again: (B, H, T, D) → (B, T, H, D) → (B, T, C).
#
# The likeliest mistake is in step 2. Going straight to (B, H, T, D) with `view` fails, and torch then suggests
# `reshape`, which raises no error but mixes up tokens and channels. In step 4, `reshape` after the `transpose` back is
# right.

# %% exercise="CausalSelfAttention"

# %%
check(CausalSelfAttention)

# %% [markdown]
# Your attention inside the storyteller, all other parts unchanged, then the storyteller's own, with the same seed:

# %%
check.play(CausalSelfAttention, "Once upon a time", n=40)
check.play(minigpt.models.gpt2.CausalSelfAttention, "Once upon a time", n=40)

# %% [markdown]
# What would it write without the causal mask that it was trained with? Earlier tokens would also look at later ones,
# which they never did in training.


# %%
class WithoutMask(nn.Module):
    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_attn, self.c_proj = (
            Linear(config.n_embd, 3 * config.n_embd),
            Linear(config.n_embd, config.n_embd),
        )
        self.n_head = config.n_head

    def forward(self, x: Tensor, _cache: None = None) -> Tensor:
        q, k, v = (
            t.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for t in self.c_attn(x).chunk(3, dim=-1)
        )
        weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(dim=-1)
        return self.c_proj((weights @ v).transpose(1, 2).flatten(2))


check.play(WithoutMask, "Once upon a time", "CausalSelfAttention", n=40)
check(WithoutMask, "CausalSelfAttention")

# %% [markdown]
# The text is worse. How much worse? Measure how surprised the model is by the next token of a tale, in bits, with the
# mask and without. Each prefix of the tale is read separately, since a token that looks ahead would know the next.

# %%
open_eyed = minigpt.load("storyteller", device="cpu")
for block in open_eyed.model.h:
    part = WithoutMask(open_eyed.model.config)
    part.load_state_dict(block.attn.state_dict())
    block.attn = part
tale = lm.encode(
    "In olden times when wishing still helped one, there lived a king whose daughters were all beautiful, but the "
    "youngest was so beautiful that the sun itself, which has seen so much, was astonished when it shone in her face."
)
for name, model in (("with the mask", lm.model), ("without", open_eyed.model)):
    bits = []
    for n in range(1, len(tale)):
        with torch.no_grad():
            logits = model(torch.tensor([tale[:n]]))[0, -1]
        bits.append(-logits.log_softmax(dim=-1)[tale[n]].item() / math.log(2))
    print(f"{sum(bits) / len(bits):.2f} bits a token {name}")

# %% [markdown]
# ## The same in the project
#
# What you wrote is what runs when the storyteller writes. The project keeps the core separate, in
# `minigpt/models/attention.py`, since Llama uses it too, and lets it work with a cache (lesson 10). Read S as T and
# ignore H_kv, which is Llama's; its mask is True where a token *may* look, the opposite of `future`:

# %%
source(minigpt.models.attention.Attention)

# %% [markdown]
# ## What we have
#
# | part | shape after it | what it does |
# |---|---|---|
# | `c_attn` | (B, T, 3C) | query, key and value of each token |
# | heads | (B, H, T, D) each | several looks at once, D = C / H |
# | scores | (B, H, T, T) | dot products of queries and keys, divided by √D |
# | mask, softmax | (B, H, T, T) | no look ahead; each row sums to 1 |
# | `@ v` | (B, H, T, D) | a weighted mean of what may be seen |
# | `c_proj` | (B, T, C) | mixes what the heads found |
#
# Attention alone knows no order: shuffle the tokens, and without a mask its results are shuffled in the same way.
# GPT-2 therefore adds to each token a vector for its position (lesson 04).
#
# ## Five questions
#
# Decide before you unfold the code or *the answer*.

# %%
some = torch.randn(1, 1, 4, 8, generator=torch.Generator().manual_seed(1))
with minigpt.record(lm.model) as seen, torch.no_grad():
    lm.model(torch.tensor([lm.encode("The old king had three sons")]))
seen_weights = seen["h.0.attn.weights"]
quiz(
    "Row 0 of the attention weights of a causal model is always",
    ["different for each text", "the same number everywhere", "1, 0, 0, …", "all zeros"],
    "1, 0, 0, …"
    if all(float(head[0, 0]) == 1 for head in seen_weights[0])
    else "different for each text",
    "the first token may see nothing but itself, and a softmax over one score is 1",
)

# %%
quiz(
    "A text has T = 10 tokens, a layer 12 heads. How many attention weights does it compute, masked ones included?",
    [120, 540, 100, 1200],
    12 * 10 * 10,
    "each head has a T x T matrix",
)

# %%
quiz(
    "How wide is one head of GPT-2's smallest model, with C = 768 and 12 heads?",
    [768, 12, 2304, 64],
    768 // 12,
    "the heads share the channels: D = C / H",
)

# %%
scaled = torch.tensor([8.0, 0.0]).div(8).softmax(0)
quiz(
    "Scores 8 and 0, D = 64. Without the division by √D the larger weight is 0.9997. What is it with it?",
    ["0.50", "0.73", "0.9997", "1.00"],
    f"{scaled[0]:.2f}",
    "8 / √64 is 1, and softmax(1, 0) is 0.73, 0.27: still a preference, no longer all or nothing",
)

# %%
order = torch.randperm(4, generator=torch.Generator().manual_seed(2))
mixed = torch.nn.functional.scaled_dot_product_attention(
    some[:, :, order], some[:, :, order], some[:, :, order]
)
plain = torch.nn.functional.scaled_dot_product_attention(some, some, some)[:, :, order]
quiz(
    "Attention has no mask and no positions, and the tokens of a text are shuffled. What happens to its results?",
    ["they all change", "nothing", "they are shuffled in the same way", "they become equal"],
    "they are shuffled in the same way"
    if torch.allclose(mixed, plain, atol=1e-5)
    else "they all change",
    "attention is a mean over a set and knows no order: that is why GPT-2 adds positions to its tokens",
)
