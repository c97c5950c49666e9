# %% [markdown]
# # 06 · The block: why do the numbers not explode?
#
# *Forty-five minutes. You need lesson 04's `Linear` and lesson 05's attention.*
#
# A number doubled a hundred times gains thirty digits. A model multiplies by a matrix dozens of times in a row, and yet
# its numbers keep a workable size. How? By two simple ideas, which hold every transformer together: **normalize** what
# a part reads, and **add** what it writes.
#
# You have attention from lesson 05. Here you write the rest: LayerNorm, GELU, the MLP, and the block itself.

# %%
import math

import torch
from torch import Tensor, nn

import minigpt
from minigpt import check
from minigpt.exercises.lesson import quiz, ready, source
from minigpt.models import gpt2, layers
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import CausalSelfAttention
from minigpt.models.layers import Dropout, Linear
from minigpt.pictures.curves import curves
from weights.fetch.locate import local

ready()
torch.set_printoptions(precision=3, sci_mode=False)
lm = minigpt.load("storyteller", device="cpu")
model = lm.model

# %% [markdown]
# ## What is in a block
#
# A GPT is a stack of blocks. They are built alike, but each has learned its own numbers. A block has two parts that
# do the work:
#
# | part | what it does | where it is |
# |---|---|---|
# | multi-head self-attention | each token fetches something from the tokens that it may see | `block.attn` |
# | feed-forward network, **MLP** | works on each token separately | `block.mlp` |
#
# and two that prepare their input, `ln_1` and `ln_2`:

# %%
block = model.h[0]
for name, part in block.named_children():
    print(f"{name:5} → {type(part).__name__}")
print("\n", block, sep="")

# %% [markdown]
# (`drop` is active only in training; it comes at the end of the lesson.)
#
# Eight tokens drawn at random go through the first block. The output has the same shape as the input, so the next
# block can take it from there:

# %%
tokens = torch.randint(0, model.config.vocab_size, (1, 8), generator=torch.Generator().manual_seed(0))
with torch.no_grad():  # we only look, we do not train
    hidden = model.wte(tokens) + model.wpe(torch.arange(8))
    out = block(hidden)
print(tuple(hidden.shape), "->", tuple(out.shape))
print("block(hidden)[0]:   ", tuple(out[0].shape), "the first text alone")

# %% [markdown]
# If you know GPT-2 from the transformers library: for a long time, a block there was called as
# `block(hidden, layer_past=None, use_cache=False)[0]`, since it returned a tuple. Ours returns the tensor itself, and
# `[0]` takes the first text of the batch.
#
# ## Who sees whom
#
# You will often read that attention lets every token look at every other. In GPT-2 it does not: a token sees itself and
# what comes before it. We put another token at position 4, and see where the results change:

# %%
changed = tokens.clone()
changed[0, 4] = (changed[0, 4] + 1) % model.config.vocab_size
with torch.no_grad():
    other = model.wte(changed) + model.wpe(torch.arange(8))
    for name, part in (("attn", block.attn), ("mlp", block.mlp), ("block", block)):
        differs = (part(hidden) != part(other)).any(dim=-1)[0].tolist()
        print(f"{name:5} changes at", [place for place, moved in enumerate(differs) if moved])

# %% [markdown]
# Attention carries the change to later positions, never back. The MLP changes nothing elsewhere. So whatever one token
# learns about another, it learns in `attn`.
#
# ## Why numbers explode
#
# 24 random matrices in a row, as in a deep model. The factor sets how large their numbers are. We print the length of
# the resulting vector, its **norm**: the square root of the sum of its squared numbers.

# %%
C, depth = 64, 24
numbers = torch.Generator().manual_seed(0)
matrices = [torch.randn(C, C, generator=numbers) for _ in range(depth)]
start = torch.randn(8, C, generator=numbers)
print(f"at the start: {start.norm(dim=-1).mean():.1f}")
for factor in (0.05, 0.10, 0.125, 0.15, 0.20):
    x = start
    for M in matrices:
        x = x @ (factor * M).T
    print(f"factor {factor:5}: {x.norm(dim=-1).mean():.3g}")

# %% [markdown]
# From nearly nothing to hundreds of thousands, though the factors are close together. (`2.27e-09` is how Python writes
# 0.00000000227.) Only with one of them, 1/√64 = 0.125, does the vector roughly keep its size, and training would move
# the numbers away from it at once.
#
# ## First idea: normalize
#
# Before a part reads a vector, the vector is scaled to a standard size. **LayerNorm** (Ba et al. 2016) subtracts its
# mean and divides by its standard deviation, the root of its variance; afterwards the C numbers have mean 0 and
# variance 1. Then each is multiplied by its own factor w, and its own bias b is added:
#
# $$y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \cdot w + b$$
#
# where μ is the mean of the C numbers and σ² their **variance**, the mean of the squared distances from μ.

# %%
x = torch.tensor([2.0, 4.0, 6.0, 8.0])
mean = x.mean()
variance = ((x - mean) ** 2).mean()
print("mean", float(mean), " variance", float(variance))
print((x - mean) / math.sqrt(variance))
big = 1000 * x
print("of an x that is 1000 times as large, the same:")
print((big - big.mean()) / math.sqrt(((big - big.mean()) ** 2).mean()))

# %% [markdown]
# Three things in the formula are easy to get wrong:
#
# - **ε** (`eps`, 1e-5 in GPT-2). It prevents a division by 0 when all C numbers are equal. It is often described as
#   added to the denominator; it is added to the variance, **under** the root.
# - **w and b** (`weight`, `bias`; torch calls having them `elementwise_affine`). A factor and a bias for each channel,
#   learned, so that the model can undo what does not suit it.
# - The variance divides by C. `torch.var` divides by C − 1 unless told otherwise, which is meant for samples.
#
# ## Exercise 1: `LayerNorm`
#
# x is (..., C): take mean and variance over the last dimension, `dim=-1`, for each token separately. `keepdim=True`
# keeps that dimension with size 1, so that the shapes of x − mean match.

# %% exercise="LayerNorm"

# %%
check(LayerNorm)

# %% [markdown]
# What do the storyteller's norms do to its vectors? Here is the mean length of the tokens' vectors in each block,
# before and after. (Afterwards it is still not the same everywhere: each norm has learned its own w and b.)

# %%
sentence = torch.tensor([lm.encode("The old king had three sons")])
with minigpt.record(model) as seen, torch.no_grad():
    model(sentence)
for n in range(model.config.n_layer):
    before, after = (seen[f"h.{n}.{name}"].norm(dim=-1).mean() for name in ("in", "ln_1"))
    print(f"block {n}: {before:5.1f} before ln_1, {after:5.1f} after")

# %% [markdown]
# ## A bend: GELU
#
# Lesson 04 showed that linear layers in a row are no more than one, unless something nonlinear comes between them, a
# bend. GPT-2's **activation** is the **Gaussian error linear unit** (Hendrycks & Gimpel 2016): x times the probability
# that a normally distributed random number (the bell curve) is smaller than x. Far above 0 it leaves x as it is, far
# below it gives almost 0; in between it is smooth, where the relu has a corner. GPT-2 uses a formula with tanh, a step
# that rises smoothly from −1 to 1, which gives nearly the same:
#
# $$\mathrm{gelu}(x) = \frac{x}{2} \left(1 + \tanh\left(\sqrt{2/\pi}\,(x + 0.044715\,x^3)\right)\right)$$

# %%
grid = torch.linspace(-4, 4, 161)
by_tanh = nn.functional.gelu(grid, approximate="tanh")
curves(
    grid.tolist(), {"GELU": by_tanh.tolist(), "relu": grid.relu().tolist()}, "GELU, and relu to compare"
)

# %% [markdown]
# ## Exercise 2: `gelu`
#
# You need `math.sqrt`, `math.pi` and `torch.tanh`; x³ is `x**3` in Python.

# %% exercise="gelu"

# %%
check(gelu)

# %% [markdown]
# "Nearly the same" is not the same. The exact form is torch's default, and a GPT-2 that uses it is a slightly different
# model from the one that was trained; no error tells you:

# %%
wide = torch.linspace(-6, 6, 2001)
print(
    f"tanh form and exact form differ by up to {(gelu(wide) - nn.functional.gelu(wide)).abs().max():.5f}"
)

# %% [markdown]
# ## The MLP
#
# The second part of the block is the **feed-forward network**, also called **MLP** (multi-layer perceptron): a linear
# layer to four times as many channels, a GELU, a linear layer back. C → 4C → C, for each token separately. Two thirds
# of a block's parameters are here:

# %%
sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in block.named_children()}
for name, size in sizes.items():
    print(f"{name:5} {size:8,}  {size / sum(sizes.values()):6.1%}")

# %% [markdown]
# ## Exercise 3: `MLP`
#
# The names are those in the checkpoint: `c_fc` widens, `c_proj` narrows. The widths are in the config, as `n_embd` (C)
# and `n_inner` (4C). Between the two layers, call the `gelu` that you wrote above.

# %% exercise="MLP"

# %%
check(MLP)

# %% [markdown]
# ## Second idea: add
#
# A part does not replace the vector, it **adds** to it: x + f(x). This is a **residual connection** (He et al. 2015).
# One vector for each token runs through all the blocks: together they are the **residual stream**. Every part reads a
# normalized copy of it and adds what it found.
#
# How long is the vector after each part, and how much has each part added? The stream flows upwards, and layers 0 to 5
# in the picture are the six blocks:

# %%
lm.show.stream("The old king had three sons")

# %%
if local("gpt2"):
    display(minigpt.load("gpt2", device="cpu").show.stream("The old king had three sons"))
else:
    print(
        "GPT-2's official weights are not here: minigpt download gpt2 fetches them, and this cell shows their stream"
    )

# %% [markdown]
# Where the norm grows, it grows by sums, not by factors: each part works on a normalized copy, so the size of what it
# adds does not depend on how long the stream has become. (A part may also add a vector that points against the stream;
# then the norm shrinks, as in the storyteller's last block.)
#
# Adding also helps training. The gradients, lesson 04's answer to "how does the loss change if this number grows a
# little", must travel all the way back from the end to the first layer. Through a chain of factors they vanish or
# explode, as the numbers do on the way forward. A sum passes them on unchanged, in addition to what comes back through
# the part. Here are 24 layers f, with and without the two ideas, and the length of the gradient that arrives at the
# start:


# %%
def norm(x: Tensor) -> Tensor:
    return nn.functional.layer_norm(x, x.shape[-1:])


def layer(M: Tensor):
    return lambda x: layers.gelu(x @ M.T)


FORMS = {
    "x = f(x)": lambda f, x: f(x),
    "x = x + f(x)": lambda f, x: x + f(x),
    "x = x + f(norm(x))": lambda f, x: x + f(norm(x)),
}
print(f"{'form':20}{'factor':>8}{'norm at the end':>18}{'gradient at the start':>24}")
for factor in (0.05, 0.20):
    for name, form in FORMS.items():
        first = start.clone().requires_grad_()  # we want its gradient
        x = first
        for M in matrices:
            x = form(layer(factor * M), x)
        x.mean().backward()  # the gradient of the output's mean
        end, gradient = x.detach().norm(dim=-1).mean(), first.grad.norm(dim=-1).mean()
        print(f"{name:20}{factor:8}{end:18.3g}{gradient:24.3g}")

# %% [markdown]
# With the small factor, both numbers of the first form vanish; with the large one, the second form explodes. (There the
# first survives by luck: each GELU shortens the vector by about a third.) The third, with both ideas together, stays in
# a workable range either way.
#
# ## Exercise 4: `Block`
#
# Now the whole block. Attention reads `ln_1` of the stream and adds to the stream, then the MLP reads `ln_2` of the
# stream as it is **now**, and adds to it. Attention is the project's; `LayerNorm` and `MLP` are yours from above.
#
#     x ──┬────────────────────(+)──┬───────────────────(+)──▶
#         └─ ln_1 ── attn ──────┘   └─ ln_2 ── mlp ──────┘

# %% exercise="Block"

# %%
check(Block)

# %% [markdown]
# Your blocks in the storyteller, all six of them, with your MLP, GELU and LayerNorm inside:

# %%
check.play(Block, "Once upon a time", n=40)


# %% [markdown]
# ## Before or after
#
# The first transformer (Vaswani et al. 2017) put the norm after each addition, `x = norm(x + f(x))`: **post-norm**.
# GPT-2 moved both norms to the front of the parts, and added one after the last block, `ln_f`: **pre-norm**. In
# post-norm the stream itself is normalized again and again, so nothing passes through unchanged, and deep models are
# harder to train (Xiong et al. 2020). Here is what it does to our storyteller, which was trained with pre-norm:


# %%
class PostNorm(nn.Module):
    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.ln_1, self.attn = layers.LayerNorm(config.n_embd), CausalSelfAttention(config)
        self.ln_2, self.mlp = layers.LayerNorm(config.n_embd), gpt2.MLP(config)

    def forward(self, x: Tensor) -> Tensor:
        x = self.ln_1(x + self.attn(x))
        return self.ln_2(x + self.mlp(x))


report = check(PostNorm, "Block")
check.play(PostNorm, "Once upon a time", "Block", n=20)
report


# %% [markdown]
# And without the additions:


# %%
class WithoutResidual(PostNorm):
    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(self.ln_2(self.attn(self.ln_1(x))))


report = check(WithoutResidual, "Block")
check.play(WithoutResidual, "Once upon a time", "Block", n=20)
report

# %% [markdown]
# ## Dropout
#
# One part is left, `drop`. While a model is **trained**, dropout sets each number to 0 with probability p, so that no
# part can rely on a single number of another; it must learn what holds in general instead of memorizing its texts
# (**overfitting**). What is mostly not said: the remaining numbers are divided by 1 − p, so that the mean stays the
# same. And when the model writes, in **eval mode**, dropout does nothing at all. The storyteller's training began with
# p = 0.15, while it had few texts and read each of them nine times. With eight times the text, each tale read once or
# twice, it went on without dropout.

# %%
torch.manual_seed(0)
drop, ones = Dropout(0.1), torch.ones(10_000)
print("training:", drop(ones)[:8], " share of zeros", round(float((drop(ones) == 0).float().mean()), 2))
print("mean    :", round(float(drop(ones).mean()), 2))
print("eval    :", drop.eval()(ones)[:8])
print(
    "the storyteller was last trained with p =",
    model.config.dropout,
    "and is in training mode:",
    model.training,
)

# %% [markdown]
# ## The same in the project
#
# LayerNorm and GELU are in `minigpt/models/layers.py`, the block in `minigpt/models/gpt2.py` (`kv` is the cache of
# lesson 10):

# %%
source(gpt2.Block)
print()
source(gpt2.MLP)

# %% [markdown]
# In short:
#
# | part | what it does | why |
# |---|---|---|
# | attention | fetches from earlier tokens | relates the words of a text |
# | MLP | two linear layers with an activation between them | works on what was fetched; most of the parameters |
# | LayerNorm | scales what a part reads to a standard size | no part depends on how long the stream is |
# | residual connection | adds, and never replaces | numbers and gradients get through |
#
# ## Five questions
#
# Decide before you unfold the code or *the answer*.

# %%
normal = norm(torch.randn(1, 256, generator=torch.Generator().manual_seed(3)))
quiz(
    "How long is a vector of 256 channels after a LayerNorm whose weight is 1 and bias 0?",
    [16, 1, 256, 0],
    round(float(normal.norm())),
    "its numbers have variance 1: the sum of their squares is 256, and its square root is 16",
)

# %%
stream = seen["h.2.in"][:, 1:]
post = PostNorm(model.config)
post.load_state_dict(model.h[2].state_dict())
with torch.no_grad():
    longer = float(post(1000 * stream).norm() / post(stream).norm())
quiz(
    "Every number that goes into a post-norm block is multiplied by 1,000. What happens to its outputs?",
    ["they hardly get larger", "they get about 1,000 times as large", "about 1,000,000 times"],
    "they hardly get larger" if longer < 2 else "they get about 1,000 times as large",
    "a norm is its last step and brings the stream itself back to one size, as no pre-norm block does",
)

# %%
quiz(
    "What is GELU(−1)? (relu(−1) is 0.)",
    [-0.16, 0.0, -1.0, 0.84],
    round(float(layers.gelu(torch.tensor(-1.0))), 2),
    "−1 times the probability that a normally distributed number is below −1, which is about 0.16",
)

# %%
quiz(
    "How many parameters does the MLP of a block of the smallest GPT-2 have, with C = 768?",
    [4_722_432, 2_362_368, 4_718_592, 1_181_184],
    sum(p.numel() for layer in (Linear(768, 3072), Linear(3072, 768)) for p in layer.parameters()),
    "768 · 3,072 + 3,072 and 3,072 · 768 + 768",
)

# %%
with torch.no_grad():
    twice = [model.h[1](model.h[0](x)) for x in (hidden, other)]
moved = (twice[0] != twice[1]).any(dim=-1)[0].nonzero()[:, 0].tolist()
quiz(
    "Token 4 of eight is replaced by another. Where can the stream differ after two blocks?",
    ["from place 4 on", "at place 4 alone", "everywhere", "at places 4 and 5"],
    "from place 4 on" if moved == [4, 5, 6, 7] else "everywhere",
    "however many blocks there are, each carries information forward only",
)
