# %% [markdown]
# # 14 · Training: where do the numbers come from?
#
# *Forty-five minutes. You need lessons 07 and 08.*
#
# In lesson 07 you built GPT-2 to the last parameter, and then loaded its numbers from a file. Nobody wrote those
# numbers. A model begins with random ones; it reads a text, guesses each next token, and after each guess all its
# numbers are moved a little, so that the right token would have been likelier. That is all of **training**. GPT-2 is
# one enormous formula, and training is how its constants were found.
#
# You will write the three parts of it: the *loss*, which says how wrong the guesses are, the *batch*, which is what is
# read at once, and the *step*, which moves the numbers. With them you train a small GPT-2 here, in a few seconds.

# %%
import copy
import math
import string

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import minigpt
from minigpt import check
from minigpt.exercises.lesson import quiz, ready, source
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.pictures.curves import curves
from minigpt.pictures.training import training_curve
from minigpt.train.data import draw_batch
from minigpt.train.loss import next_token_loss
from minigpt.train.simple import train_step
from minigpt.train.trainer import Trainer, TrainSettings

ready()
Model = nn.Module
lm = minigpt.load("storyteller", device="cpu")

# %% [markdown]
# ## How wrong is a guess?
#
# A model gives each token a probability. Then the next token of the text comes, and only one of those probabilities
# counts: *p*, the one that the model gave that token. The **loss** is −ln *p*. Being certain and right costs nothing;
# the smaller *p* was, the more it costs:

# %%
for p in (1.0, 0.9, 0.5, 0.1, 0.01, 0.0001):
    print(f"p = {p:<6}  loss {abs(-math.log(p)):.2f}")

# %% [markdown]
# The loss of a text is the mean over its tokens. It is measured in *nats*, since the logarithm is the natural one, and
# is also called **cross-entropy**; lesson 08's perplexity is e to the power of the loss.
#
# ## Exercise 1: `loss`
#
# `ids` (B, T) are B texts, `logits` (B, T, V) the scores that the model gave after each of their tokens. The likeliest
# mistake is not to shift: the logits at place *t* are about the token at *t* + 1. So T tokens make T − 1 predictions.
#
# The result stays a tensor. Training needs its *gradient* (below), and `check` looks at that, too.

# %% exercise="loss"

# %%
check(loss)

# %% [markdown]
# Stuck? `check.hint("loss")` gives a stronger hint each time; `check.solution("loss")` shows the solution.
#
# ## Knowing nothing costs ln V
#
# A model that knows nothing gives each of its V tokens the same probability, 1/V. Its loss is −ln(1/V) = ln V,
# whatever the text. This is what yours gives for equal logits:

# %%
some_ids = torch.tensor([[3, 1, 4, 1, 5]])
for name, V in (("26 letters", 26), ("the storyteller", 4096), ("GPT-2", 50257)):
    print(
        f"{name:16} V = {V:6,}   loss {loss(torch.zeros(1, 5, V), some_ids):.2f}   ln V = {math.log(V):.2f}"
    )

# %% [markdown]
# That is about where all training begins. Here is a model of the storyteller's size with fresh random numbers, and
# the storyteller itself, on a sentence of the kind that it has read:

# %%
torch.manual_seed(0)
fresh = GPT2(lm.model.config)
tale = torch.tensor(
    [
        lm.encode(
            "Once upon a time there was a king who had three sons, and the youngest was called Hans."
        )
    ]
)
with torch.no_grad():
    for name, model in (("fresh numbers", fresh), ("trained", lm.model)):
        nats = loss(model(tale), tale).item()
        print(
            f"{name:14} loss {nats:.2f}: as unsure as among {math.exp(nats):,.0f} equally likely tokens"
        )

# %% [markdown]
# If your own training begins far above ln V, something is wrong before it has begun.
#
# ## Downhill, with one number
#
# How do you find better numbers? Take the smallest model possible. It knows two words, *cat* and *dog*, and has one
# number, *w*: the logit of *cat*, while that of *dog* is 0. It has four words to learn from: *cat, cat, dog, cat*. For
# each *w* it has a loss:


# %%
def loss_of(w: Tensor) -> Tensor:
    logprobs = torch.stack([w, torch.zeros_like(w)]).log_softmax(dim=0)
    return -(3 * logprobs[0] + logprobs[1]) / 4


ws = torch.linspace(-3, 6, 91, dtype=torch.float64)
curves(ws.tolist(), {"loss": loss_of(ws).tolist()}, "The loss for each w")

# %% [markdown]
# A valley. We stand at *w* = 0 and see nothing of it, but we can feel the slope under our feet: nudge *w* a little, and
# see how much the loss changes. That slope is the **gradient**: how much the loss grows per unit of *w*.
#
# torch finds it without a nudge. It remembers what was computed from *w*, and `backward` goes through that from the end
# to the beginning, by the chain rule of school mathematics. The gradient is then in `w.grad`.

# %%


def slope(at: float) -> float:
    w = torch.tensor(at, dtype=torch.float64, requires_grad=True)  # from here on torch remembers
    loss_of(w).backward()
    return w.grad.item()


w = torch.tensor(0.0, dtype=torch.float64)
nudge = 0.001
print(f"by a nudge  {(loss_of(w + nudge) - loss_of(w)) / nudge:.3f}")
print(f"by backward {slope(0.0):.3f}")

# %% [markdown]
# It is negative: the loss falls to the right. So *w* moves against its gradient, by the gradient times a factor called
# the **learning rate**; and again, and again. This is **gradient descent**:

# %%
w, rate = 0.0, 1.0
for step in range(31):
    if step % 5 == 0:
        logits = torch.tensor([w, 0.0], dtype=torch.float64)
        print(
            f"step {step:2}: w = {w:.3f}, loss {loss_of(logits[0]):.4f}, p(cat) = {logits.softmax(dim=0)[0]:.3f}"
        )
    w -= rate * slope(w)

# %% [markdown]
# Look at what it has learnt. You may read that a model learns to choose the most likely next token. It does not: that
# would be p(cat) = 1. It learns how *often* each comes: 0.75, three times out of four. That is why you can draw from it
# (lesson 09). And the loss cannot reach 0, since the text itself is not certain.
#
# How large a step? The same walk with three learning rates:

# %%
paths = {}
for rate in (0.3, 3.0, 12.0):
    path = [0.0]
    for _ in range(15):
        path.append(path[-1] - rate * slope(path[-1]))
    paths[f"learning rate {rate}"] = path
curves(list(range(16)), paths, "w, step by step: the lowest loss is at 1.10")

# %% [markdown]
# With the smallest it takes a long time. With the largest, each step jumps over the lowest point and lands on the other
# side; it never arrives.
#
# ## From one number to 55,808
#
# A real model has more numbers, each with its own slope, and its loss has many valleys. Here is a small GPT-2 and a
# text for it, a nursery rhyme that grows by a line in each verse:

# %%
VERSES = """malt that lay in
rat that ate
cat that killed
dog that worried
cow with the crumpled horn that tossed
maiden all forlorn that milked
man all tattered and torn that kissed
priest all shaven and shorn that married
cock that crowed in the morn that woke
farmer sowing his corn that kept"""
rest = "house that Jack built.\n\n"
rhyme = f"This is the {rest}"
for line in VERSES.split("\n"):
    rest = f"{line}\nthe {rest}"
    rhyme += f"This is the {rest}"
print(rhyme[:189])
print(f"{len(rhyme):,} characters")

# %% [markdown]
# Its tokens are single characters, as in lesson 01; a vocabulary of subwords would need more text. One block, 64
# channels, and a context of 32 characters. The initial weights are random, the matrices with a standard deviation of
# 0.1. (GPT-2, which is wider, has 0.02. And everything is in float64, so that every computer writes the same letters.)

# %%
ALPHABET = "\n ,.?" + string.ascii_letters
T = 32


def ids_of(text: str) -> Tensor:
    return torch.tensor([ALPHABET.index(letter) for letter in text])


torch.manual_seed(0)
model = GPT2(GPT2Config(vocab_size=len(ALPHABET), n_ctx=T, n_layer=1, n_head=4, n_embd=64)).double()
for p in model.parameters():
    if p.ndim == 2:
        nn.init.normal_(p, std=0.1)
untrained = copy.deepcopy(model)
print(f"{sum(p.numel() for p in model.parameters()):,} numbers; ln V = {math.log(len(ALPHABET)):.2f}")

# %% [markdown]
# Take one of them, somewhere in the MLP: the loss with it as it is, and with a nudge. Then `backward`, which finds the
# slope of this number and of all others in one go. With nudges, each number would take a forward pass.

# %%
first = ids_of(rhyme[:T])[None]  # (1, T)
number = model.h[0].mlp.c_fc.weight
start = loss(model(first), first)
start.backward()
with torch.no_grad():
    number[3, 5] += 1e-5
    nudged = loss(model(first), first)
    number[3, 5] -= 1e-5
print(f"by a nudge  {(nudged - start) / 1e-5:.6f}")
print(f"by backward {number.grad[3, 5]:.6f}")
print(f"slopes found by backward: {sum(p.grad.numel() for p in model.parameters()):,}")

# %% [markdown]
# ## Exercise 2: `batch`
#
# A long text does not fit into a context, and computing the slope over all of it would cost too much. So each step
# takes a few **windows**, `n` pieces of `length` ids that begin at random places, and follows their slope: noisy, but
# cheap. `data` is the whole text as one row of ids.
#
# Each window in `x` has its target in `y`: the same text one place later, so that `y[b, t]` is what came
# after `x[b, t]`. Because of the causal mask (lesson 05) a window of T tokens is T guesses at once: what comes after
# one token, after two, after three …

# %% exercise="batch"

# %%
check(batch)

# %% [markdown]
# Three short windows of the rhyme, inputs and targets:

# %%
data = ids_of(rhyme)
torch.manual_seed(0)
for inputs, targets in zip(*batch(data, 3, 12), strict=True):
    x, y = ("".join(ALPHABET[i] for i in row) for row in (inputs, targets))
    print(f"{x!r:20} {y!r}")

# %% [markdown]
# ## Exercise 3: `train_step`
#
# Now the step, in four moves: the logits of `x`; their loss against `y`; `backward`; and each weight goes down its
# gradient, times the learning rate. Do not use your `loss`: it would shift a second time, and `batch` has already
# shifted. `F.cross_entropy(logits, targets)` is the same without the shift. It expects the logits as (B · T, V) and the
# targets as (B · T): `flatten(0, 1)` makes one dimension of the first two.
#
# Two traps. `backward` *adds* to the gradients that are there, so clear those of the last step first with
# `model.zero_grad()`. And the weights are changed within `torch.no_grad()`, in place: `p = p - …` would give the name
# *p* a new tensor, and leave the model as it was.

# %% exercise="train_step"

# %%
check(train_step)

# %% [markdown]
# ## It learns
#
# Your `batch` and `train_step` on the rhyme, and your `loss` on another: 400 steps of 8 windows each. At five moments
# the model continues "This is". Every ten steps the loss is measured on that other rhyme, which it is never trained on;
# more on that below.

# %%
other = """This is the key of the kingdom.
In that kingdom is a city.
In that city is a town.
In that town there is a street.
In that street there winds a lane.
In that lane there is a yard.
In that yard there is a house.
In that house there waits a room.
In that room an empty bed,
And on that bed a basket.
"""


def write(model: nn.Module, prompt: str, n: int, temperature: float = 0.5) -> str:
    settings = {
        "temperature": temperature,
        "do_sample": True,
        "seed": 0,
        "context": "slide",
    }  # lessons 09 and 10
    new = minigpt.generate(model, ids_of(prompt).tolist(), max_new_tokens=n, **settings)
    return "".join(ALPHABET[i] for i in new)


def loss_on(model: nn.Module, text: str) -> float:
    ids = ids_of(text)
    rows = ids[: len(ids) // T * T].view(-1, T)
    with torch.no_grad():
        return loss(model(rows), rows).item()


# %%
torch.manual_seed(1)
log = []
for step in range(1, 401):
    if step - 1 in (0, 25, 100, 200):
        print(f"after {step - 1:3} steps: {write(model, 'This is', 60)!r}")
    log.append({"step": step, "train": train_step(model, *batch(data, 8, T), lr=0.2)})
    if step % 10 == 0:
        log[-1]["validation"] = loss_on(model, other)
print(f"after {step} steps: {write(model, 'This is', 60)!r}")

# %% [markdown]
# First noise; then frequent letters, and *the*; then spaces and pieces of words; then whole words; at last, which word
# follows which. Nobody told it what a word is. It only had to guess the next character.

# %%
training_curve(log, "A small GPT-2 learns a rhyme", len(ALPHABET))

# %% [markdown]
# The thin line jumps, since each step sees other windows; but it goes down. Near step 325 it goes wrong for a while,
# and recovers. It begins a little above ln V, the dashed line: a model with such large random weights makes confident
# guesses, and they are wrong. The fresh storyteller, with its small ones, began at ln V.
#
# ## Learning rates, again
#
# The same model from the same initial weights, 40 steps each:

# %%
for rate in (0.002, 0.2, 2.0):
    trial = copy.deepcopy(untrained)
    torch.manual_seed(0)
    losses = [train_step(trial, *batch(data, 8, T), rate) for _ in range(40)]
    last = sum(losses[-10:]) / 10
    print(
        f"learning rate {rate:5}: from {losses[0]:.2f} to {f'{last:.2f}' if last < 100 else 'more than 100'}"
    )
print("with the last:", "  ".join(f"{value:.1f}" if value < 100 else "more" for value in losses[:8]))

# %% [markdown]
# With one number, too large a rate made it jump back and forth. Here it does worse: the numbers diverge. When you train
# a model of your own, watch the first hundred steps. If the loss rises, divide the rate by ten.
#
# ## Learnt, or learnt by heart?
#
# Now the thick line. It is the loss on the other rhyme, the **validation text**, which the model never trained on.

# %%
measured = {entry["step"]: entry["validation"] for entry in log if "validation" in entry}
best = min(measured, key=measured.get)
print(f"before training: loss on the other rhyme {loss_on(untrained, other):.2f}")
for step in (10, best, 100, 200, 400):
    print(f"after {step:3} steps: loss on the other rhyme {measured[step]:.2f}")

# %% [markdown]
# At first it falls, too: what is learnt then, letters and spaces and *the*, is good for every rhyme. Then it rises, and
# at the end it is higher than ln V, which is 4.04: worse than knowing nothing. By then the model has learnt the first
# rhyme by heart, and on the other one it is confident where it is wrong. This is **overfitting**. With 55,808 numbers
# for 1,925 characters it is no wonder.
#
# So part of the text is held out: you watch the loss on it, and keep the model for which that was lowest, the frame in
# the picture. But the held-out text must be new. The rhyme's own last verse would be no test, since nearly all of it is
# in the verse before.
#
# What helps against overfitting is more text. The storyteller first read 4.4 MB of tales, nine times. Its loss was then
# 3.65 on the tales that it read, 4.10 on those held out. Then it read on in 34 MB, once or twice in each tale: the two
# are now 3.49 and 3.57, and the latter was still falling (`weights/storyteller/README.md`).
#
# ## Training goes on: fine-tuning
#
# What we did is **pre-training**: a text, any text, and the next token. Nobody had to label anything, since the text is
# its own answer: this is called *self-supervised* or, less precisely, *unsupervised*. To turn such a model into an
# assistant, you continue training it, with the same step, on examples of what it should do: **fine-tuning**. In
# miniature: questions about the rhyme, with their answers.

# %%
ANSWERS = {
    "ate the malt": "rat",
    "killed the rat": "cat",
    "worried the cat": "dog",
    "tossed the dog": "cow",
    "milked the cow": "maiden",
    "kissed the maiden": "man",
    "married the man": "priest",
    "woke the priest": "cock",
    "kept the cock": "farmer",
}
examples = {f"Who {did}?\n": f"The {who}.\n\n" for did, who in ANSWERS.items()}
asked_later = "Who tossed the dog?\n"
questions = "".join(
    question + answer for question, answer in examples.items() if question != asked_later
)
print(questions[:52])


# %%
def n_right(model: nn.Module) -> int:
    return sum(write(model, q, len(a), 0.1) == a for q, a in examples.items() if q != asked_later)


tuned = copy.deepcopy(model)
torch.manual_seed(0)
learnt = ids_of(questions)
for step in range(101):
    if step % 50 == 0:
        print(
            f"after {step:3} steps: {n_right(tuned)} of 8 right, loss on the rhyme {loss_on(tuned, rhyme):.2f}"
        )
    train_step(tuned, *batch(learnt, 8, T), lr=0.1)
for name, one in (("before", model), ("after", tuned)):
    for question in ("Who ate the malt?\n", asked_later):
        print(f"{name:6} {question.strip():20} {write(one, question, 12)!r}")

# %% [markdown]
# Most of the answers are right, and have the right form: *The*, a word, a full stop. But it gets the held-out question
# wrong, though the rhyme has the answer. It has learnt these answers, not how to answer: eight examples are few, and
# the model is small. And there was a price: it knows less of the rhyme than before. That is called *forgetting*, and is
# one reason to fine-tune with small learning rates and few steps.
#
# Large models go through several such stages:
#
# | stage | what it learns from | what changes |
# |---|---|---|
# | **pre-training** | texts of all kinds | the weights, from random ones: a *base* or *foundation model* |
# | **supervised fine-tuning** | conversations as they should be | the weights, with the same loss |
# | **RLHF** | what people think of its answers | the weights, towards answers that they like |
# | **constitutional AI** | what a model thinks of its answers | the same |
#
# (*Few-shot*, examples in the prompt, is no such stage: no weight changes. See lesson 11.)
#
# RLHF is *reinforcement learning from human feedback*: people rank several answers to a prompt, a second model, the
# *reward model*, learns their ranking, and the first model is trained to get a high reward (Ouyang et al. 2022). In
# constitutional AI a model judges and revises the answers, by written principles (Bai et al. 2022). The second to
# fourth stages are together called **post-training**. You may read that fine-tuning adds a new head to the model. It
# does when the task is a different one, such as sorting texts into classes; an assistant still predicts the next token,
# with the head that it has.
#
# ## The same in the project
#
# `minigpt train --text my.txt` trains a tokenizer and a model on your text. Below are its batch, its loss and its step;
# all of training is one page, `minigpt/train/simple.py`, with AdamW and the rest written by hand in `optimizer.py`:

# %%
source(draw_batch)
print()
source(next_token_loss)
print()
source(train_step)

# %% [markdown]
# The three parts are yours; what is new makes training faster and safer:
#
# | what | why |
# |---|---|
# | `AdamW` for p −= lr · gradient | gives each number a step of its own size, by two running means of its gradient |
# | weight decay, the W in its name | pulls matrices towards 0, so that no number becomes large without need |
# | `settings.rate(step)` | the learning rate rises in equal steps at first, *warm-up*, then falls along a cosine |
# | `clip_by` | a gradient that is too long is shortened, so that one odd batch cannot spoil the training |
# | dropout, by `train()` | drops numbers at random, against overfitting; `eval()` turns it off |
# | `n_parts` | the batch is computed in parts, one after the other, with the memory of one |
# | `loss_of`, `clip_by` given | faster forms that give the same (`minigpt/fast/training.py`) |
# | a seed for each step | an interrupted run goes on as if it had not been (`minigpt/train/run.py`) |
#
# A quarter of our steps on the rhyme with it, from the same initial weights; and as many with Muon, which is younger
# (2024) and stands in `muon.py`:

# %%
losses = {"plain gradient descent": [entry["train"] for entry in log]}
for name in ("adamw", "muon"):
    torch.manual_seed(0)
    settings = TrainSettings(
        steps=100, batch_size=8, block_size=T, learning_rate=1e-2, warmup=10, optimizer=name
    )
    trainer = Trainer(copy.deepcopy(untrained), settings, plain=True)
    losses[name] = [trainer.do_step(data) for _ in range(settings.steps)]
    kept = [
        t.numel() for state in trainer.optimizer.state.values() for t in state.values() if t.numel() > 1
    ]
    print(f"numbers that {name} keeps: {sum(kept):,}")
for n in (20, 60, 100):
    means = [f"{name} {sum(values[n - 10 : n]) / 10:.1f}" for name, values in losses.items()]
    print(f"after {n:3} steps: {', '.join(means)}")

# %% [markdown]
# AdamW keeps two for each of the 55,808; Muon keeps one for each number in a block's matrices, and treats the rest as
# AdamW does. It looks at a matrix as a whole: a few directions make up most of its gradient, and AdamW follows them.
# Muon makes all directions equally strong first, by fifteen matrix products, so each of its steps takes longer but
# teaches more. `minigpt train --optimizer muon` trains with it.
#
# `minigpt show training my-model` draws the curve of such a run. For GPT-2 the same was done with 40 GB of text from
# eight million web pages (Radford et al. 2019), and that is where its 124 million numbers come from.
#
# ## What we have
#
# | word | what it is |
# |---|---|
# | loss | the mean of −ln *p* over the next tokens; ln V for a model that knows nothing |
# | gradient | for each number, how much the loss grows per unit of that number |
# | learning rate | how far to go down the gradient; too large, and it jumps over the valley |
# | batch | windows drawn at random, with targets one token later |
# | validation | the loss on held-out text; where it rises, the model overfits |
#
# ## Five questions
#
# Decide before you unfold the code or *the answer*.

# %%
quiz(
    "A GPT-2 with fresh random numbers: about how large is its loss?",
    ["0.0", "1.0", "10.8", "50,257"],
    f"{loss(torch.zeros(1, 3, 50257), torch.tensor([[1, 2, 3]])):.1f}",
    "it knows nothing, so each of 50,257 tokens has about the same probability: ln 50,257",
)

# %%
windows, targets = draw_batch(torch.tensor([5, 3, 8, 2]), 3, 1, torch.Generator().manual_seed(0))
quiz(
    "A text is 5, 3, 8, 2. The window is 5, 3, 8. What are its targets?",
    ["2", "5, 3, 8", "8, 3, 5", "3, 8, 2"],
    ", ".join(map(str, targets[0].tolist())),
    "to each of its tokens the one that comes after it",
)

# %%
weight = torch.tensor(1.0, requires_grad=True)
(-2 * weight).backward()
quiz(
    "A weight is 1.0, its gradient −2, the learning rate 0.1. What is the weight after the step?",
    ["0.8", "1.2", "−1.0", "1.02"],
    f"{weight.item() - 0.1 * weight.grad.item():.1f}",
    "1.0 − 0.1 · (−2): the loss falls to the right, so the weight goes there",
)

# %%
weight = torch.tensor(1.0, requires_grad=True)
for _ in range(2):
    (3 * weight).backward()
quiz(
    "The same loss is computed and backward called, twice, without zero_grad between. "
    "What is in grad, if the slope is 3?",
    ["3", "6", "9", "nothing"],
    f"{weight.grad:.0f}",
    "backward adds to what is there",
)

# %%
small = nn.Linear(1000, 1000, bias=False)
optimizer = torch.optim.AdamW(small.parameters())
small(torch.ones(1, 1000)).sum().backward()
optimizer.step()
kept = sum(t.numel() for t in optimizer.state[small.weight].values() if t.numel() > 1)
n_weights = small.weight.numel()
quiz(
    "Training with AdamW: how many numbers are in memory for each weight, including the weight itself?",
    ["one", "two", "three", "four"],
    ["one", "two", "three", "four"][(n_weights + small.weight.grad.numel() + kept) // n_weights - 1],
    "the weight, its gradient, and AdamW's two running means: so training needs four times the memory of the weights",
)
