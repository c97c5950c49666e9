# %% [markdown]
# # 04 · Linear: what does one layer do to a vector?
#
# *Forty minutes. You need Python, school mathematics, and lesson 01's ids.*
#
# A text has become numbers: ids, one for each token. What does a model do with them? Nearly all of it is one
# operation, repeated dozens of times: multiply by a matrix, add a vector. It is called the **linear layer**, and
# you will write it here. Then you will write what comes before the first layer: how an id becomes a vector.

# %%
import torch
from torch import Tensor, nn

import minigpt
from minigpt import check
from minigpt.exercises.lesson import quiz, ready, source
from minigpt.pictures.product import linear_layer

ready()
torch.set_printoptions(precision=4, sci_mode=False)
lm = minigpt.load("storyteller", device="cpu")

# %% [markdown]
# ## What is a language model?
#
# A function. The ids of a text go in, out comes a number for each token of the vocabulary: how well would it
# continue the text? These scores are called **logits**. A **softmax** turns them into probabilities: e to the power
# of each score, divided by the sum of all of them, so that they are positive and sum to 1.
#
# The storyteller, a small model that comes with this project, has read fairy tales; its vocabulary has 4,096 tokens:

# %%
ids = torch.tensor([lm.encode("Once upon a time")])
with torch.no_grad():  # we only look, we do not train
    logits = lm.model(ids)
print("ids   ", tuple(ids.shape), ids.tolist())
print("logits", tuple(logits.shape))
last = logits[0, -1]  # the last token of the first text: a score for each token of the vocabulary
probabilities = last.softmax(dim=-1)  # dim=-1: over the scores
print("sum of the probabilities", round(float(probabilities.sum()), 4))

# %%
lm.show.bars("Once upon a time")

# %% [markdown]
# The logits have the shape 1 × 4 × 4,096: one text, and for **each** of its four tokens a score for every token that
# might come next. The bars above are the last row's. (Lesson 08 looks at logits, lesson 09 at how a token is picked
# from them.)
#
# The function is made of a few kinds of small steps, its **layers**, and of the numbers in them, its
# **parameters**. So a model is one enormous formula, whose parameters were tuned in training until it predicted the
# next token as well as it could. How many are there, and how many of its layers are linear?

# %%
parameters = sum(p.numel() for p in lm.model.parameters())
linear = [m for m in lm.model.modules() if type(m).__name__ == "Linear"]
inside = sum(p.numel() for m in linear for p in m.parameters())
print(lm)
print(f"{parameters:,} parameters, {inside / parameters:.0%} of them in {len(linear)} linear layers")

# %% [markdown]
# You will often read that hundreds of layers are stacked. What is stacked, and what `n_layer` counts, are **blocks** of
# several layers, and those are fewer: 6 here, with 4 linear layers each, 12 in the smallest GPT-2, 48 in the largest.
# (A block is often called a layer itself, as in the name `n_layer` and in our pictures.)
#
# ## Vectors, matrices, tensors
#
# A **vector** is a row of numbers, a **matrix** a table of them. A **tensor** is either of these, or an array with
# more dimensions; its **shape** says how large it is in each. Four letters return in every lesson:
#
# | letter | what it counts | here |
# |---|---|---|
# | B | texts that are processed at once, the **batch** | 1 |
# | T | tokens of a text | 4 |
# | C | numbers that represent one token, its **channels** | 256 |
# | V | tokens of the **vocabulary** | 4,096 |
#
# ## y = Wx + b
#
# A linear layer turns one vector into another. Each output is a **weighted sum** of all inputs (each multiplied by a
# factor of its own), plus one more number. The factors are the **weight** W, a matrix with a row for each output and a
# column for each input; the numbers added at the end are the **bias** b, one for each output.
#
# From three numbers to two, in plain Python:

# %%
x = [1.0, -1.0, 0.5]
W = [[0.2942, 1.2544, -1.2355], [0.6460, -0.2439, -0.0587]]
b = [1.5114, -0.5846]
y = []
for row, total in zip(W, b, strict=True):
    for factor, value in zip(row, x, strict=True):
        total += factor * value
    y.append(round(total, 5))
y

# %%
linear_layer(W, x, b, "A linear layer from 3 numbers to 2: y = W x + b")

# %% [markdown]
# The first output is 0.2942 · 1 + 1.2544 · (−1) − 1.2355 · 0.5 + 1.5114 = −0.06655. A sum of products like this is
# called a **dot product**: it is large when a row of W and x point the same way. So each row asks a question of x, and
# each output is the answer.
#
# With tensors no loop is needed: `@` is the matrix product.

# %%
W, b, x = torch.tensor(W), torch.tensor(b), torch.tensor(x)
print("W     ", tuple(W.shape))
print("x     ", tuple(x.shape))
print("W @ x + b =", W @ x + b)

# %% [markdown]
# ## Many vectors at once
#
# A model has a vector for each token of each text: a tensor of the shape (B, T, C), each vector a **row**. `W @ x`
# needs a column on its right. Rows go to the left of `@`, so W is transposed, its rows made columns: `x @ W.T`.
# (`.T` is the **transpose**, on paper $W^T$.) The dimensions in front are left alone, so the same line works for one
# vector and for a thousand; and `+ b` adds b to each of them, which is called **broadcasting**.

# %%
one = torch.stack([x, 2 * x, -x, 0 * x])  # four vectors, one on top of the other: (4, 3)
many = torch.stack([one, one.flip(0)])  # two texts, the second being the first read backwards: (2, 4, 3)
print(tuple(many.shape), "->", tuple((many @ W.T + b).shape))
print((many @ W.T + b)[0])

# %% [markdown]
# The first row is the result from above. The last one is b itself: W times a vector of zeros is all zeros.
#
# Notice what did **not** happen: no vector has seen another. A linear layer treats each token on its own. Letting
# tokens look at each other is the job of attention, lesson 05.
#
# ## Exercise 1: `Linear`
#
# In PyTorch a layer is a class, an `nn.Module`: `__init__` makes its parameters, `forward` computes, and calling the
# object calls `forward`. Whatever is wrapped in `nn.Parameter` is found when the model is trained, saved or loaded.
#
# W starts as random numbers, `torch.randn(rows, columns)`, b as zeros, `torch.zeros(length)`. W is (n_out, n_in), as
# torch's own layer stores it, in its checkpoints too (a **checkpoint** is a file with a model's parameters). The first
# line of `__init__`, `super().__init__()`, must come before any parameter.

# %% exercise="Linear"

# %%
check(Linear)

# %% [markdown]
# Stuck? `check.hint("Linear")` gives a stronger hint each time; `check.solution("Linear")` shows the solution.
#
# Your layer with the random parameters of torch's own layer, and both results:

# %%
torch.manual_seed(0)
theirs, ours = nn.Linear(3, 2), Linear(3, 2)
ours.load_state_dict(theirs.state_dict())  # copies weight and bias, by name
print("Input  :", x)
print("Weights:", theirs.weight.data)  # .data: the numbers alone
print("Bias   :", theirs.bias.data)
print("theirs :", theirs(x).data)
print("ours   :", ours(x).data)

# %% [markdown]
# Now with the numbers of the storyteller. `minigpt.record` records what passes through its modules while it runs. Take
# a linear layer of block 0, `c_fc` (lesson 06 explains it): its input is called `h.0.ln_2`, its output `h.0.mlp.pre`:

# %%
with minigpt.record(lm.model) as seen, torch.no_grad():
    lm.model(ids)
ours = Linear(256, 1024)
ours.load_state_dict(lm.model.h[0].mlp.c_fc.state_dict())
with torch.no_grad():
    result = ours(seen["h.0.ln_2"])
print(tuple(seen["h.0.ln_2"].shape), "->", tuple(result.shape))
print(
    "what the storyteller computed, but for rounding:",
    torch.allclose(result, seen["h.0.mlp.pre"], atol=1e-5),
)

# %% [markdown]
# ## The mistake that raises no error
#
# Forget to transpose W, and torch complains that the sizes do not match, unless the matrix is **square**, with as many
# rows as columns:

# %%
square, pair = torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.tensor([[10.0, 1.0]])
print("x @ W.T =", (pair @ square.T).tolist(), "   right")
print("x @ W   =", (pair @ square).tolist(), "   wrong, and nothing complains")
try:
    many @ W
except RuntimeError as error:
    print("not square:", error)  # torch counts the rows of both texts together, 2 · 4 = 8
n_square = sum(m.weight.shape[0] == m.weight.shape[1] for m in linear)
print(f"{n_square} of the storyteller's {len(linear)} linear layers are square")


# %% [markdown]
# What does the check say about a layer that makes this mistake?


# %%
class NotTurned(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(n_out, n_in)), nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias


check(NotTurned, "Linear")

# %% [markdown]
# ## Two are no more than one
#
# What if one linear layer follows another? $W_2 (W_1 x) = (W_2 W_1) x$: the two matrices could have been multiplied
# beforehand. A hundred linear layers in a row are **one** linear layer.

# %%
numbers = torch.Generator().manual_seed(1)  # random numbers, the same in every run
first, second = torch.randn(5, 3, generator=numbers), torch.randn(2, 5, generator=numbers)
both = second @ first  # (2, 3)
print("one after the other:", x @ first.T @ second.T)
print("as a single one:    ", x @ both.T)
print("with relu in between:", (x @ first.T).relu() @ second.T)

# %% [markdown]
# So something nonlinear must come between them, such as the last line's **relu**, which sets everything negative to 0.
# Only with such an **activation** can a chain of layers do more than a single one. GPT-2's is called GELU, and you will
# write it in lesson 06.
#
# ## Where do the numbers in W come from?
#
# From training, in three steps, repeated over and over (lesson 14 has the details):
#
# 1. compute, and measure how wrong the result is: one number, the **loss**;
# 2. for each parameter, find how the loss changes if the parameter grows a little: its **gradient**
#    (`loss.backward()` does that for all of them);
# 3. move each parameter a little against its gradient, so that the loss falls.
#
# Your layer learns that y = 2x − 1, from eight examples:

# %%
layer = Linear(1, 1)
layer.load_state_dict({"weight": torch.zeros(1, 1), "bias": torch.zeros(1)})
inputs = torch.linspace(-2, 2, 8)[:, None]  # from -2 to 2, each a row of its own: (8, 1)
for step in range(101):
    loss = ((layer(inputs) - (2 * inputs - 1)) ** 2).mean()
    if step in (0, 1, 10, 100):
        print(
            f"step {step:3}: loss {loss.item():.4f}, W {layer.weight.item():.3f}, b {layer.bias.item():.3f}"
        )
    layer.zero_grad()  # otherwise backward adds to the last step's gradients
    loss.backward()
    with torch.no_grad():
        for p in layer.parameters():
            p -= 0.1 * p.grad  # 0.1 is the size of the step, the learning rate

# %% [markdown]
# That is why `check` also compares gradients: a layer that computes the right outputs but the wrong gradients writes
# well and learns nothing.
#
# ## From ids to vectors
#
# An id is a name, not an amount: token 600 is not twice token 300, and the mean of two ids means nothing. So the
# first thing that a model does is to look the id up in a table, its **embedding**: a row of 256 numbers for each
# token, learned like all other parameters. GPT-2's name for the table is `wte`, word token embedding, though its rows
# are tokens, not words.

# %%
wte, wpe = lm.model.wte.weight.detach(), lm.model.wpe.weight.detach()
print("wte", tuple(wte.shape))
king = lm.encode(" king")[0]
print("id of ' king':", king, "  first of its numbers:", wte[king, :4])
one_hot = torch.zeros(len(wte))
one_hot[king] = 1
print(
    "a 1 at the id's place times the table is the same row:", bool(torch.equal(one_hot @ wte, wte[king]))
)

# %% [markdown]
# A lookup is a linear layer, too, without a bias: its input is a **one-hot** vector, 1 at one place and 0 elsewhere.
# Picking the row is faster.
#
# What has the model learned about its words? Take a token's row, and find the rows that point most nearly the same way,
# by the dot product of the two, each scaled to length 1 (the **cosine** of the angle between them):

# %%
directions = wte / wte.norm(dim=-1, keepdim=True)  # (V, C), each of length 1
for word in (" king", " three", " gold", " said"):
    cosines = directions @ directions[lm.encode(word)[0]]  # (V,)
    nearest = cosines.topk(6).indices.tolist()[1:]  # the nearest is the word itself
    print(
        f"{word:7} ~", ", ".join(f"{lm.tokenizer.decode([i]).strip()} {cosines[i]:.2f}" for i in nearest)
    )

# %% [markdown]
# Nobody told it that kings and princes, or numbers, or metals belong together: it follows from where they occur in
# fairy tales.
#
# ## Where it stands
#
# Rows of `wte` say which tokens a text has, not in what order. So a second table, `wpe`, has a row for each
# **position**, and the two rows are added: what the token is, plus where it is. The second one is its **positional
# embedding**, or positional encoding. The number of rows limits how much text the model can read at once; the
# storyteller's table has 512 rows, GPT-2's 1,024.
#
# What would it write without them, with all positions alike? (`minigpt.patch` lets a model compute with other numbers
# in a place, here with 0.)

# %%
print("with   :", lm.generate("Once upon a time", max_new_tokens=30, seed=5).text)
with minigpt.patch(lm.model, {"wpe": 0}):
    print("without:", lm.generate("Once upon a time", max_new_tokens=30, seed=5).text)

# %% [markdown]
# Without them one word still leads to the next, but hardly to a sentence.
#
# ## Exercise 2: `embed`
#
# `ids` is (B, T), whole numbers; `wte[ids]` takes a row for each of them, and the result is (B, T, C). Positions count
# from 0, and are the same in every text of the batch: `torch.arange(T)` gives 0, 1, …, T − 1.

# %% exercise="embed"

# %%
check(embed)

# %% [markdown]
# Is it what the storyteller's first block gets?

# %%
x = embed(ids, wte, wpe)
print(tuple(ids.shape), "->", tuple(x.shape))
print("the same:", torch.allclose(x, seen["h.0.in"]))

# %% [markdown]
# This x, a vector for each token, is what the whole model works on. Each block reads it and adds something to it;
# nothing ever replaces it. It is called the **residual stream**, and the next two lessons add to it.
#
# ## The same in the project
#
# In `minigpt/models/layers.py`:

# %%
source(minigpt.models.layers.Linear)
print()
source(minigpt.models.layers.Embedding)

# %% [markdown]
# This `Linear` differs from yours in three ways. The weight starts empty, since a loaded model gets its numbers from
# the checkpoint. The bias can be left out, as in newer models. And `extra_repr` says what `print` shows of the layer.
#
# ## Five questions
#
# Decide before you unfold the code or *the answer*.

# %%
quiz(
    "How many parameters does a linear layer from 768 numbers to 2,304 have?",
    [1_771_776, 1_769_472, 3_072, 2_304],
    sum(p.numel() for p in nn.Linear(768, 2304).parameters()),
    "768 · 2,304 in W, and 2,304 in b",
)

# %%
fits = [(pair @ matrix).shape == (1, 2) for matrix in (square, square.T)]
quiz(
    "Why does a missed transpose of a square matrix raise no error?",
    [
        "the sizes fit both ways",
        "torch turns it by itself if need be",
        "its transpose is the same matrix",
        "the bias makes up for it in the end",
    ],
    "the sizes fit both ways" if all(fits) else "torch turns it by itself if need be",
    "(B, n) @ (n, n) can be multiplied with either orientation of the matrix; only the numbers differ",
)

# %%
quiz(
    "Two linear layers, 3 → 5 and 5 → 2, have nothing between them. What is the shape of the W that does the work of both?",
    ["(2, 3)", "(3, 2)", "(5, 5)", "there is none"],
    str(tuple(both.shape)),
    "W2 W1 is (2, 5) times (5, 3)",
)

# %%
texts = [torch.tensor([lm.encode(text)]) for text in (" the dog saw the man", " the man saw the dog")]
vectors = [wte[text[0]].sum(dim=0) for text in texts]
quiz(
    "The rows of wte for 'the dog saw the man' are added up, and those for 'the man saw the dog'. Are both sums equal?",
    ["yes", "no, the order counts", "only if both texts begin with the same token"],
    "yes" if torch.allclose(*vectors, atol=1e-5) else "no, the order counts",
    "the same rows in another order have the same sum: wte alone knows no order",
)

# %%
try:
    wpe[torch.arange(len(wpe) + 1)]
    what = "it starts again at place 0"
except IndexError:
    what = "an error"
quiz(
    "What does embed give for a text that has one token more than wpe has rows?",
    [
        "an error",
        "it starts again at place 0",
        "the last place twice",
        "a zero vector for the last token",
    ],
    what,
    "there is no row to look up: that is why a model's context is limited",
)
