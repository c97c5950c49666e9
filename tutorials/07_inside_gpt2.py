# %% [markdown]
# # 07 · Inside GPT-2: where are the 124 million numbers?
#
# *Forty-five minutes. You need lessons 04, 05 and 06.*
#
# You have all the parts: tables, linear layers, attention, norms, the MLP, the block. GPT-2 consists of nothing else,
# and in this lesson you put it together, down to the last parameter. You will count its numbers, load them from a file,
# and at the end your own model writes.
#
# Some questions on the way: GPT-2's module tree, as the transformers library prints it, has surprising lines.
# Why is a linear layer called Conv1D? What is `lm_head`, and why do we have none?

# %%
import warnings
from importlib.util import find_spec

import torch
from torch import Tensor, nn

import minigpt
from minigpt import check
from minigpt.exercises.lesson import quiz, ready, source
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import MLP, Block, CausalSelfAttention
from minigpt.models.layers import Embedding, LayerNorm, Linear
from minigpt.pictures.architecture import architecture
from weights import STORYTELLER
from weights.fetch.locate import local
from weights.formats.safetensors import read

ready()
lm = minigpt.load("storyteller", device="cpu")

# %% [markdown]
# ## The whole on one page
#
# The smallest GPT-2, drawn from its sizes alone. Read it from the bottom up, as papers draw it:

# %%
architecture(GPT2Config(), "GPT-2, the smallest")

# %% [markdown]
# 1. The text's ids go in, any number of them up to 1,024. (Nothing is padded to a fixed length, whatever you may read:
#    padding is needed only when texts of different lengths are processed together.)
# 2. Each becomes a vector: its row of `wte`, plus the row of its position in `wpe`.
# 3. Twelve blocks, one after the other, read the stream of vectors and add to it.
# 4. A last LayerNorm, `ln_f`.
# 5. The product of each vector with each row of `wte`: 50,257 **logits** for each token, scores for what comes next.
#
# Then a token is picked by its score (lesson 09) and appended, and it all begins again: the model is
# **autoregressive**, it reads what it has written itself.
#
# ## The module tree
#
# What do we get if we print it? The device "meta" makes tensors that have a shape but no numbers, so we can build the
# official sizes at once:


# %%
def built(config: GPT2Config) -> nn.Module:
    with torch.device("meta"):
        return minigpt.models.gpt2.GPT2(config)


def n_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


gpt2 = built(GPT2Config(dropout=0.1))
for name, module in gpt2.named_children():
    print(f"{name:7} → {type(module).__name__}")
print("\n", gpt2, sep="")

# %% [markdown]
# Line by line, beside what `print(model)` shows for the same model in transformers:
#
# | transformers | here | what it is |
# |---|---|---|
# | `(wte): Embedding(50257, 768)` | the same | a row of 768 numbers for each token (not for each word) |
# | `(wpe): Embedding(1024, 768)` | the same | a row for each position: no text can be longer than 1,024 tokens |
# | `(drop): Dropout(p=0.1)` | the same | drops numbers from the sum of the two, in training |
# | `(h): 12 x GPT2Block` | `12 x Block` | the blocks, built alike, each with its own numbers |
# | `(ln_1): LayerNorm((768,), eps=1e-05)` | the same | before attention |
# | `(attn): GPT2Attention` | `CausalSelfAttention` | fetches from earlier tokens |
# | `(c_attn): Conv1D(nf=2304, nx=768)` | `Linear(768 -> 2304)` | query, key and value at once: 2,304 is 3 · 768 |
# | `(c_proj): Conv1D(nf=768, nx=768)` | `Linear(768 -> 768)` | mixes what the heads found |
# | `(attn_dropout): Dropout(p=0.1)` | none | see below |
# | `(resid_dropout): Dropout(p=0.1)` | the block's `drop` | drops numbers from what attention adds |
# | – | `(attention)`, `(softmax)` | softmax(q kᵀ / √D) v, without parameters: theirs is a function |
# | `(ln_2): LayerNorm((768,), eps=1e-05)` | the same | before the MLP |
# | `(mlp): GPT2MLP` | `MLP` | works on each token separately |
# | `(c_fc): Conv1D(nf=3072, nx=768)` | `Linear(768 -> 3072)` | four times as wide |
# | `(c_proj): Conv1D(nf=768, nx=3072)` | `Linear(3072 -> 768)` | and back |
# | `(act): NewGELUActivation()` | the function `gelu` | the tanh form; without parameters, so it need not be a module |
# | `(dropout): Dropout(p=0.1)` | the block's `drop` again | drops numbers from what the MLP adds |
# | `(ln_f): LayerNorm((768,), eps=1e-05)` | the same | after the last block |
# | `(lm_head): Linear(768, 50257, bias=False)` | none | see below |
#
# **Why no `attn_dropout`?** In training, GPT-2 also dropped attention weights, after the softmax (not the output of
# attention, as is sometimes said). Our training leaves that out; while a model writes, no dropout does anything.
#
# Do both compute the same results? If transformers is installed, it can read the storyteller's files, too:

# %%
sentence = torch.tensor([lm.encode("The old king had three sons")])
if find_spec("transformers"):
    warnings.filterwarnings("ignore", message="IProgress")  # about progress bars, which we switch off
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    theirs = transformers.GPT2LMHeadModel.from_pretrained(STORYTELLER, dtype=torch.float32).eval()
    own = {f"transformer.{name}": type(module).__name__ for name, module in lm.model.named_modules()}
    print(f"{'name in transformers':36}{'there':20}here")
    for name, module in theirs.named_modules():
        if name.count(".") > 1 and not name.startswith("transformer.h.0"):
            continue  # one block is enough
        print(f"{name:36}{type(module).__name__:20}{own.get(name, '–')}")
    with torch.no_grad():
        same = torch.allclose(theirs(sentence).logits, lm.model(sentence), atol=1e-4)
    print("the logits are the same, but for rounding:", same)
    print("lm_head.weight is wte.weight:", theirs.lm_head.weight is theirs.transformer.wte.weight)
else:
    print("transformers is not installed: pip install transformers, and this cell compares")

# %% [markdown]
# ## Why no `lm_head`
#
# The **head** of a language model turns the last vector into logits: a linear layer, C → V, without a bias. In GPT-2
# its matrix is `wte` itself, the table that turned ids into vectors. This is called **weight tying** (Press & Wolf
# 2017). transformers prints a line for it, but it holds no numbers of its own. A second module would only be a second
# name, so we leave it out.
#
# It makes sense, too: a token's logit is the dot product of the vector and the token's row; it says how far the vector
# points in the row's direction. Logits are not probabilities; a softmax turns them into probabilities (lesson 08).

# %%
with minigpt.record(lm.model) as seen, torch.no_grad():
    logits = lm.model(sentence)
vector = seen["ln_f"][0, -1]  # (C,), of the last token
best = int(logits[0, -1].argmax())
row = lm.model.wte.weight[best].detach()
print("most likely next token:", repr(lm.tokenizer.decode([best])))
print(
    f"its logit {logits[0, -1, best]:.4f}, the dot product of its row and the vector {vector @ row:.4f}"
)
print(f"a head of its own would be {50257 * 768:,} numbers more for the smallest GPT-2")

# %% [markdown]
# ## Exercise 1: `count_parameters`
#
# Now count, from the sizes alone. A `Linear(m, n)` has a weight of m · n numbers and a bias of n, a `LayerNorm` has two
# vectors of C. The sizes are in the config: `vocab_size`, `n_ctx` (positions), `n_layer` (blocks), `n_embd` (C), and
# `n_inner` (the MLP's width).

# %% exercise="count_parameters"

# %%
check(count_parameters)

# %% [markdown]
# Here are the four official sizes, counted by your function, and by adding up the tensors. (Older texts call the two
# smallest 117M and 345M: a mistake by their authors, who corrected it later.)

# %%
SIZES = {
    "gpt2": (12, 12, 768),
    "gpt2-medium": (24, 16, 1024),
    "gpt2-large": (36, 20, 1280),
    "gpt2-xl": (48, 25, 1600),
}
configs = {name: GPT2Config(n_layer=L, n_head=H, n_embd=C) for name, (L, H, C) in SIZES.items()}
for name, config in configs.items():
    summed = n_parameters(built(config))
    print(
        f"{name:12} {config.n_layer:2} blocks, C = {config.n_embd:4}: {count_parameters(config):13,} {summed:13,}"
    )

# %% [markdown]
# And where are they? In the smallest and in the largest:

# %%
KINDS = {"tables wte, wpe": Embedding, "attention": CausalSelfAttention, "MLPs": MLP, "norms": LayerNorm}
xl = built(configs["gpt2-xl"])
for name, one in (("gpt2", gpt2), ("gpt2-xl", xl)):
    total = n_parameters(one)
    blocks = [m for m in one.modules() if isinstance(m, Block)]
    print(f"{name}: {total / 1e6:,.0f} million, {n_parameters(blocks[0]) / 1e6:.1f} in each block")
    for kind, module in KINDS.items():
        size = sum(n_parameters(m) for m in one.modules() if isinstance(m, module))
        print(
            f"  {kind:16} {size / 1e6:8.1f} million {size / total:6.1%} {'█' * round(40 * size / total)}"
        )

# %% [markdown]
# A third of the smallest model is tables. In the largest they hardly count: the blocks grow with their number and with
# the square of C, the tables only with C. A block of the largest has the same parts in other sizes: `c_attn` has
# 3 · 1,600 = 4,800 outputs, `c_fc` 4 · 1,600 = 6,400.

# %%
xl.h[0]

# %% [markdown]
# ## Why Conv1D
#
# It is no convolution, in spite of its name. OpenAI's code, written for TensorFlow, computed its linear layers with a
# function `conv1d`. A convolution takes weighted sums over a few neighbouring tokens; with width 1 it sees only one
# token, and **is** a linear layer. Its weight is stored transposed, (in, out), so x is multiplied by it as it is.
# transformers kept both name and layout, since the official files store the numbers that way.
# `Conv1D(nf, nx)` has nf outputs and nx inputs: it is `Linear(nx, nf)` with the weight transposed.

# %%
numbers = torch.Generator().manual_seed(0)
x, W, b = (torch.randn(*shape, generator=numbers) for shape in ((2, 768), (768, 2304), (2304,)))
as_linear = Linear(768, 2304)
as_linear.load_state_dict({"weight": W.T, "bias": b})
print("Conv1D: x @ W + b   with W", tuple(W.shape))
print("Linear: x @ W.T + b with W", tuple(as_linear.weight.shape))
with torch.no_grad():
    print("the same, but for rounding:", torch.allclose(as_linear(x), x @ W + b, atol=1e-3))

# %% [markdown]
# The storyteller's file has the same layout. It is a safetensors file, which holds names, shapes and numbers, but no
# code. Here is what it lists for the tables and the first block, next to the shapes in our model:

# %%
stored = {
    name.removeprefix("transformer."): t for name, t in read(STORYTELLER / "model.safetensors").items()
}
shapes = {name: tuple(p.shape) for name, p in lm.model.named_parameters()}
for name, tensor in list(stored.items())[:14]:
    turned = "" if tuple(tensor.shape) == shapes[name] else "  other way round"
    print(f"{name:24} file {tensor.shape!s:12} model {shapes[name]!s:12}{turned}")

# %% [markdown]
# Three matrices of the block are visibly the other way round, transposed. In fact all four are: `attn.c_proj` is
# square, so its shape tells you nothing. That is lesson 04's mistake in the wild, and you make it if you go by shapes.
#
# Official GPT-2 files have one more thing: `h.0.attn.bias` of shape (1, 1, 1024, 1024), and so on for each block. It is
# not a bias but the causal mask, which was saved along with the parameters; it is not learned.
#
# ## Exercise 2: `load`
#
# The tensors of an official file go in, a model's parameters come out, under the same names. Which are transposed, and
# which are left out?

# %% exercise="load"

# %%
check(load)

# %% [markdown]
# ## Exercise 3: `GPT2`
#
# The five steps from the top of this lesson. `nn.ModuleList` holds the blocks: a plain list would hide them from
# torch, and with them nearly all of the model's numbers.

# %% exercise="GPT2"

# %%
check(GPT2)

# %% [markdown]
# ## It writes
#
# Your model, with the storyteller's numbers, read by your loader. `eval` switches dropout off. Each step takes the
# token with the highest logit; lesson 09 has better ways.


# %%
def write(model: nn.Module, prompt: str, n: int) -> str:
    ids = torch.tensor([lm.encode(prompt)])
    with torch.no_grad():
        for _ in range(n):
            newest = model(ids)[:, -1].argmax(dim=-1, keepdim=True)  # (1, 1)
            ids = torch.cat([ids, newest], dim=1)
    return lm.tokenizer.decode(ids[0].tolist())


tensors: dict[str, Tensor] = {name: t.read().float() for name, t in stored.items()}
mine = GPT2(lm.model.config).eval()
print(mine.load_state_dict(load(tensors)))
with torch.no_grad():
    print("the project's logits, but for rounding:", torch.allclose(mine(sentence), logits, atol=1e-4))
print(write(mine, "The king", 40))

# %% [markdown]
# And if you had gone by the shapes, and not transposed the square ones? No error tells you, and it even writes. What
# was lost shows in the loss of lesson 04: how wrong are the predictions of the tokens in a sentence? (Lesson 08 shows
# how it is computed; lower is better.)

# %%
wrong = {name: t.T if name.endswith("attn.c_proj.weight") else t for name, t in load(tensors).items()}
broken = GPT2(lm.model.config).eval()
print(broken.load_state_dict(wrong))
print(write(broken, "The king", 40))
tale = torch.tensor(
    [
        lm.encode(
            "Once upon a time there was a king who had three sons, and the youngest was called Hans."
        )
    ]
)
with torch.no_grad():
    for name, model in (("right", mine), ("not turned", broken)):
        loss = nn.functional.cross_entropy(model(tale)[0, :-1], tale[0, 1:])
        print(f"{name:10} loss {loss:.2f}")

# %% [markdown]
# The official weights have the same names and the same layout, so your `count_parameters` must agree with the file.
# (By default `minigpt.load` takes a graphics card where there is one, "cuda" or Apple's "mps", and otherwise the CPU.
# The lessons say `device="cpu"`, so that they print the same everywhere.)

# %%
if local("gpt2"):
    official = minigpt.load("gpt2", device="cpu")
    print(official, count_parameters(official.model.config) == n_parameters(official.model))
else:
    print(
        "GPT-2's official weights are not here: minigpt download gpt2 fetches them, and this cell counts them"
    )

# %% [markdown]
# ## What GPT-2 leaves out
#
# Before 2017 language models counted which words follow each other, or were **recurrent networks**, which read a text
# token by token and carry one vector along. They, too, learnt from plain text without labels, whatever you may read.
# What the transformer brought is attention: each token looks directly at all earlier ones, and in training all
# positions of a text are computed at once.
#
# The first transformer (2017) had two stacks: an **encoder**, which reads a whole text, and a **decoder**, which writes
# another one, token by token. Each decoder block had a third part, **cross-attention**, which looked at the encoder's
# output. Three families came of it:
#
# | family | stacks | may look at | good for | examples |
# |---|---|---|---|---|
# | decoder-only | one | what comes before | continuing a text | GPT-2, Llama |
# | encoder-only | one | both sides | understanding a text | BERT |
# | encoder-decoder | two | the whole source, its own text so far | translating, summarizing | BART, T5 |
#
# GPT-2 is a decoder without cross-attention, since there is no encoder to look at. Lesson 13 builds the relatives.
#
# Later decoders, such as Llama and Qwen, are GPT-2 with other parts: RMSNorm, which does not subtract the mean, instead
# of LayerNorm; positions that rotate query and key (RoPE) instead of `wpe`; a gated MLP with SiLU instead of GELU;
# heads that share keys and values. `minigpt/models/llama.py` follows the order of `gpt2.py`.
#
# ## The same in the project
#
# In `minigpt/models/gpt2.py`, its sizes in `minigpt/models/config.py`:

# %%
source(minigpt.models.gpt2.GPT2)

# %% [markdown]
# In short:
#
# | part | what it does | why it matters |
# |---|---|---|
# | token embedding, `wte` | turns ids into vectors | gives the model something to compute with |
# | positional embedding, `wpe` | adds where a token is | order matters |
# | attention | fetches from earlier tokens | relates the words of a text |
# | MLP | two linear layers and an activation | most of the numbers, token by token |
# | LayerNorm and residual stream | a standard size to read; addition | numbers and gradients get through many blocks |
#
# The project's version is your model with three additions: dropout, initial numbers for training (lesson 14), and the
# cache (lesson 10). Its loader is in several files: `weights/formats/safetensors.py` reads the file,
# `weights/loading.py` transposes and checks, `weights/families/gpt2.py` has what it must know about GPT-2's files, and
# `weights/checkpoint.py` keeps the model together with its tokenizer and its settings.
#
# ## Five questions
#
# Decide before you unfold the code or *the answer*.

# %%
quiz(
    "Which layer is Conv1D(nf=4800, nx=1600), of GPT-2 XL?",
    [
        "Linear(1600, 4800)",
        "Linear(4800, 1600)",
        "a convolution of width 1600",
        "Linear(1600, 1600), three times",
    ],
    "Linear(1600, 4800)"
    if tuple(xl.h[0].attn.c_attn.weight.shape) == (4800, 1600)
    else "Linear(4800, 1600)",
    "nf is the number of outputs, nx that of inputs; a Linear names its inputs first and holds (out, in)",
)

# %%
small = GPT2Config()
quiz(
    "How many parameters would the smallest GPT-2 have with an output matrix of its own?",
    ["163,037,184", "124,439,808", "124,490,065", "248,879,616"],
    f"{n_parameters(gpt2) + small.vocab_size * small.n_embd:,}",
    "50,257 · 768, nearly 39 million more",
)

# %%
twice = GPT2Config(n_head=2 * small.n_head)
quiz(
    "n_head is doubled, C stays. How many parameters are added?",
    ["none", "as many as attention has", "half as many as attention has", "12 · 768"],
    "none" if n_parameters(built(twice)) == n_parameters(gpt2) else "as many as attention has",
    "the heads share the C channels: twice as many are each half as wide",
)

# %%
official_names = [*stored, *(f"h.{n}.attn.bias" for n in range(12))]
quiz(
    "Which of these in an official file is not a parameter?",
    ["h.0.attn.bias", "h.0.attn.c_attn.bias", "ln_f.bias", "wpe.weight"],
    next(name for name in official_names if name not in shapes),
    "it is the causal mask, saved along; the others are learned",
)

# %%
parts = {
    "the MLPs": sum(n_parameters(block.mlp) for block in gpt2.h),
    "wte": gpt2.wte.weight.numel(),
    "attention, all blocks": sum(n_parameters(block.attn) for block in gpt2.h),
    "wpe": gpt2.wpe.weight.numel(),
}
quiz(
    "Which of these has the largest share of the 124 million numbers?",
    list(parts),
    max(parts, key=parts.get),
    ", ".join(f"{name} {size / 1e6:.1f} million" for name, size in parts.items()),
)
