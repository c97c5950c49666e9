# %% [markdown]
# # 08 · Logits: what does the model believe comes next?
#
# *Forty-five minutes. You need lesson 07's model, and lesson 05's softmax.*
#
# You have built GPT-2. Ids go in, numbers come out, the **logits**. What do they say? How do you read from them what
# the model thinks will come next, how sure it is, and how good it is? And if the answer is there at the end of six or
# twelve layers: at which layer does it first appear?
#
# You will write the three functions that answer this: the probabilities of the next token, the **perplexity** of a
# text, and the **logit lens**, which reads a prediction from every layer.

# %%
import math

import torch
from torch import Tensor

import minigpt
from minigpt import check
from minigpt.exercises.lesson import quiz, ready, source
from minigpt.models.gpt2 import GPT2
from weights.fetch.locate import local

ready()
torch.set_printoptions(precision=4, sci_mode=False)
lm = minigpt.load("storyteller", device="cpu")
V = lm.model.config.vocab_size


def token(id: int | Tensor) -> str:
    """The text of one id."""
    return lm.tokenizer.decode([int(id)])


# %% [markdown]
# ## A score for each token, after each token
#
# The storyteller's vocabulary has V = 4,096 tokens. A text of T tokens gives T rows of V logits; a batch of B such
# texts gives (B, T, V). If you come from transformers:
#
# | transformers | here |
# |---|---|
# | `tokenizer(text, return_tensors="pt").input_ids` | `torch.tensor([lm.encode(text)])` |
# | `tokenizer.vocab_size` | `lm.tokenizer.n_vocab` |
# | `model(ids).logits` | `lm.model(ids)`: the tensor itself |

# %%
ids = torch.tensor([lm.encode("Hello my name")])  # (1, T)
with torch.no_grad():  # we only look, we do not train
    logits = lm.model(ids)
print("tokens", [token(id) for id in ids[0].tolist()])
print("logits", tuple(logits.shape))

# %% [markdown]
# (In GPT-2's vocabulary the same text is three tokens, so its logits are (1, 3, 50257). The storyteller's has no token
# for *Hello* and splits it into three.)
#
# Each row answers the question "what comes after this token?". Row 0 has seen only the first token, the last row all
# of them (lesson 05's mask). The best token of each row:

# %%
for t, best in enumerate(logits[0].argmax(dim=-1).tolist()):
    so_far = lm.tokenizer.decode(ids[0, : t + 1].tolist())
    print(f"row {t}: after {so_far!r:16} comes {token(best)!r}")

# %% [markdown]
# So one pass makes T predictions. For what comes after the text only the last row counts; the others are about tokens
# that are already there. They are not useless: the model learns from them (lesson 14), and is judged by them, below.
#
# ## The ten best
#
# Here is the last row for another prompt: how large are logits, and which tokens have the largest? And where is Paris?


# %%
def next_logits(prompt: str) -> Tensor:
    ids = torch.tensor([lm.encode(prompt)])  # (1, T)
    with torch.no_grad():
        return lm.model(ids)[0, -1]  # (V,): the last row of the first text


prompt = "The capital of France is"
logits = next_logits(prompt)
print(f"{prompt!r}: {len(logits):,} logits, from {logits.min():.2f} to {logits.max():.2f}")
scores, best = logits.topk(10)  # the ten largest, and their indices, which are the ids
for n, (score, id) in enumerate(zip(scores.tolist(), best.tolist(), strict=True), start=1):
    print(f"{n:2}. {token(id)!r:10} logit {score:.2f}")

paris = lm.encode(" Paris")
rank = int((logits > logits[paris[0]]).sum()) + 1  # the number of larger ones, plus one
print("' Paris' is", [token(id) for id in paris])
print(f"its first token has logit {logits[paris[0]]:.2f} and is number {rank} of {V:,}")

# %% [markdown]
# All ten would continue well as English, and none knows France: the storyteller has read nothing but fairy tales.
#
# ## A logit alone says nothing
#
# Is 6.04 a lot? Logits have no unit, no bounds and no fixed zero. Lower them all by 100, and the model says the same:

# %%
probabilities = logits.softmax(dim=-1)
lowered = (logits - 100).softmax(dim=-1)
print("sum of the probabilities", round(float(probabilities.sum()), 4))
print("best, as a probability  ", round(float(probabilities.max()), 4))
print("all lowered by 100      ", round(float(lowered.max()), 4))

# %% [markdown]
# That follows from the softmax (lesson 05): e to the power of each logit, divided by the sum of these powers,
#
# $$p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}$$
#
# Subtracting 100 from each exponent gives the same factor above and below, which cancels. Only **differences** of
# logits count, and each has a meaning: if one token's logit is higher than another's by d, it is eᵈ times as likely.

# %%
first, second = best[:2].tolist()
gap = float(logits[first] - logits[second])
ratio = float(probabilities[first] / probabilities[second])
print(f"logits {logits[first]:.2f} and {logits[second]:.2f}: their difference is {gap:.3f}")
print(f"e to the power of it {math.exp(gap):.3f}, one probability divided by the other {ratio:.3f}")

# %% [markdown]
# (The same fact prevents overflow: e¹⁰⁰⁰ is too large for a float, so every good softmax first subtracts the largest
# logit from all of them.)
#
# Beware of two things that you may read. The last layer does **not** give "a probability score for every word": it
# gives logits, and it gives them for tokens. And a list such as `logits = [2.1, -0.5, 3.2, ...]` is made up: real ones
# may all be negative, or all positive, which means nothing.
#
# ## Exercise 1: `next_probs`
#
# From the logits of whole texts, (B, T, V), to the probabilities of what comes after each text, (B, V).

# %% exercise="next_probs"

# %%
check(next_probs)

# %% [markdown]
# Your function, on the first prompt of this lesson:

# %%
with torch.no_grad():
    mine = next_probs(lm.model(torch.tensor([lm.encode("Hello my name")])))[0]
for id in mine.topk(5).indices.tolist():
    print(f"{token(id)!r:>10} — {mine[id]:.4f}")

# %% [markdown]
# Official GPT-2 is much surer of itself. These are its five best, as transformers prints them; if its weights are on
# this machine, your function must give the same:

# %%
GOLDEN = {" is": 0.7773, ",": 0.0373, "'s": 0.0332, " was": 0.0127, " and": 0.0076}
if local("gpt2"):
    gpt2 = minigpt.load("gpt2", device="cpu")
    with torch.no_grad():
        probs = next_probs(gpt2.model(torch.tensor([gpt2.encode("Hello my name")])))[0]
    five = probs.topk(5).indices.tolist()
    found = {gpt2.tokenizer.decode([id]): round(float(probs[id]), 4) for id in five}
    print(found, "as in transformers:", found == GOLDEN)
else:
    print(GOLDEN)
    print("GPT-2's official weights are not here: minigpt download gpt2 fetches them")

# %% [markdown]
# As a picture: a bar for each token, as long as its probability (*model*: the model's, before lesson 09's settings).
# Everybody's example is "The cat sat on the", and everybody's answer is *mat*:

# %%
lm.show.bars("The cat sat on the")

# %%
logits = next_logits("The cat sat on the")
mat = lm.encode(" mat")
rank = int((logits > logits[mat[0]]).sum()) + 1
probabilities = logits.softmax(dim=-1)
print(f"' mat' is {len(mat)} token, number {rank} of {V:,}, with {probabilities[mat[0]]:.2%}")
print(f"the ten best together have {probabilities.topk(10).values.sum():.0%}")

# %% [markdown]
# A cat can sit on most of the ten, and together they have not quite two fifths of the probability: the rest is spread
# over thousands of tokens. That is the usual case. A language model does not know *the* next token, it has a
# **distribution**. What to do with it, take the best token or draw one, is lesson 09's subject.
#
# ## Surprise
#
# How good is the distribution? Take a text that somebody has written, and look at the probability that the model gave
# to each token that really came. Row t of the logits predicts token t + 1. And what predicts the first token? In
# training the special token `<|endoftext|>` stood between the tales. We put it in front, which tells the model that a
# tale begins:


# %%
def read(text: str) -> Tensor:
    return torch.tensor([lm.tokenizer.special_tokens["<|endoftext|>"], *lm.encode(text)])  # (T,)


tale = "Once upon a time there was a king who had three sons, and the youngest was called Hans."
ids = read(tale)
with torch.no_grad():
    logits = lm.model(ids[None])[0]  # (T, V); ids[None] is (1, T), a batch of one
for t in range(11):
    p = float(logits[t].softmax(dim=-1)[ids[t + 1]])
    print(f"{token(ids[t + 1])!r:9} probability {p:.3f}, surprise {-math.log2(p):4.1f} bits")

# %% [markdown]
# The **surprise** of a token is −log₂ p. A token of probability 1/2 has a surprise of one bit, like a coin toss, one of
# 1/8 three bits, a certain one none. (Surprises can be added where probabilities must be multiplied: that is what the
# logarithm is for.) The whole text as a picture:

# %%
lm.show.surprise(tale)

# %% [markdown]
# *a* in "was a" is hardly a surprise, *king* and *called* are, and *Hans* is a great one: nobody can know which name
# will come.
#
# ## Perplexity
#
# The mean of the surprises is one number for the whole text. With the natural logarithm instead of log₂ it is the
# **loss** with which models are trained (the *cross-entropy*; its unit is the **nat**, 1.44 bits). e to the power of
# the loss is the **perplexity**:
#
# $$\exp\Big(-\tfrac{1}{T-1} \sum_t \ln p_{t+1}\Big)$$
#
# where $p_{t+1}$ is the probability that the model gave to token t + 1 after the t tokens before it.
#
# What does it mean? A model that knows nothing gives each of the V tokens the probability 1/V. Its loss is then
# −ln(1/V) = ln V, and its perplexity V:

# %%
knows_nothing = torch.zeros(5, V)  # all logits equal
came = torch.tensor([3, 999, 17, 4000, 8])  # whatever comes
loss = -knows_nothing.log_softmax(dim=-1)[torch.arange(5), came].mean()
print(f"loss {loss:.4f}, ln {V:,} = {math.log(V):.4f}, perplexity {loss.exp():,.1f}")
print(f"for GPT-2's vocabulary the loss would be ln 50,257 = {math.log(50257):.2f}")

# %% [markdown]
# So a perplexity of 10 means: on average the model is as undecided as if it had to pick among 10 equally likely tokens.
# A model that knows the text by heart would have a perplexity of 1.
#
# ## Exercise 2: `perplexity`
#
# You get the logits (T, V) of one text, and its ids (T,). Watch which row belongs to which token: no row predicts the
# first token, and what the last row predicts is not in the text. `logprobs.gather(-1, ids[:, None])` picks from each
# row the entry that `ids` names; `log_softmax` is the logarithm of the softmax, computed without the tiny numbers in
# between, which a float may round to 0.

# %% exercise="perplexity"

# %%
check(perplexity)

# %% [markdown]
# Now judge some texts: our tale, sentences from another world, the tale with its words in reverse, and German. Beside
# the storyteller is a newborn model: the same size, with random parameters.

# %%
torch.manual_seed(1)
newborn = GPT2(lm.model.config).eval()
texts = (
    tale,
    "The quick brown fox jumps over the lazy dog",
    "The future of artificial intelligence will involve",
    "Large language models predict the next token",
    " ".join(reversed(tale.split())),
    "Es war einmal ein König, der hatte drei Söhne.",
)
print(f"{'storyteller':>12}{'newborn':>9}")
for text in texts:
    ids = read(text)
    with torch.no_grad():
        trained = float(perplexity(lm.model(ids[None])[0], ids))
        new = float(perplexity(newborn(ids[None])[0], ids))
    print(f"{trained:12,.0f}{new:9,.0f}   {text if len(text) < 60 else text[:57] + '…'}")

# %% [markdown]
# Three things to see:
#
# - The newborn model is not far from V = 4,096, whatever it reads. That is where training begins (lesson 14).
# - Reversed, the same words are more than a hundred times as perplexing: what the model has learnt is their order.
# - On German the storyteller is *worse* than a model that knows nothing. It expects English, and gave many of the
#   tokens that came far less than 1/4,096.
#
# Training, too, raises the probability of the token that *came*. (You may read: "the model maximises the likelihood of
# the predicted token". For that it would only have to be sure of something, right or wrong.)
#
# `lm.score` does the same, the special token included:

# %%
score = lm.score(tale)
ids = read(tale)
with torch.no_grad():
    own = float(perplexity(lm.model(ids[None])[0], ids))
print(f"perplexity by lm.score {score.perplexity:.2f}, by your function {own:.2f}")
bits = -sum(score.logprobs) / math.log(2)
print(f"{bits:.1f} bits for {score.n_bytes} bytes: {score.bits_per_byte:.2f} bits a byte")

# %% [markdown]
# Why bits a byte? Perplexity is *per token*, and tokens differ: a model that reads single bytes has only 256 to choose
# from, and needs many more of them. To compare models with different vocabularies, take what a whole text costs, and
# divide it by something that is the same for both, its number of bytes: **bits per byte**.
#
# ## The logit lens
#
# The logits come at the end. But the residual stream, which the blocks add to (lesson 06), has the same C channels all
# the way. So you can cut the model short anywhere: take the stream after layer 3, send it through `ln_f` and the output
# matrix, as the model does after the last layer, and read what it would say. This is the **logit lens** (nostalgebraist
# 2020).
#
# ## Exercise 3: `logit_lens`
#
# Logits before the first block and after each of the L blocks: (L + 1, B, T, V). `model.wte`, `model.wpe`, `model.h`
# and `model.ln_f` are lesson 07's parts; `model.unembed(x)` is the product with the output matrix, which is `wte`.

# %% exercise="logit_lens"

# %%
check(logit_lens)

# %% [markdown]
# After each layer, the rank of the token that wins in the end, and the token that leads at that point:

# %%
prompt = "There was once a king who had three"
ids = torch.tensor([lm.encode(prompt)])
with torch.no_grad():
    lens = logit_lens(lm.model, ids)  # (L + 1, 1, T, V)
winner = int(lens[-1, 0, -1].argmax())
for layer, row in enumerate(lens[:, 0, -1]):
    said = token(row.argmax())
    rank = int((row > row[winner]).sum()) + 1
    where = f"after layer {layer}" if layer else "embeddings"
    print(f"{where:14} says {said!r:13} {token(winner)!r} is number {rank:,}")

# %% [markdown]
# The same for every position of the text. Read a column from the bottom up: after *once* five layers think of "once
# more", and the last one finds *a*, the token that came.

# %%
lm.show.lens(prompt)

# %% [markdown]
# The row *embeddings* says the text itself, nearly with certainty. No wonder: `wte` is both the table that turned the
# ids into vectors and the output matrix (lesson 07), and the row of a common token points most of all to itself. (Rare
# ones are exceptions: here *There*.) The first block turns "what is here" into "what comes next"; the others improve on
# it. By how much? Here are your two functions together, on our tale (`e+11` means times 10¹¹, and `1e+02` is 100):

# %%
ids = read(tale)[None]  # (1, T)
with torch.no_grad():
    lens = logit_lens(lm.model, ids)
for layer, row in enumerate(lens[:, 0]):
    where = f"after layer {layer}" if layer else "embeddings"
    print(f"{where:14} perplexity {float(perplexity(row, ids[0])):8.2g}")

# %% [markdown]
# And our question: at which layer does the answer first appear? For each position of the tale, we look for the first
# layer from which the lens keeps saying what the model says in the end. Each position is shown by its own token; what
# is predicted is the next one, which need not be what came. (After *king who had* the model says *a*; *three* came.)

# %%
best = lens[:, 0].argmax(dim=-1)  # (L + 1, T)
L, T = best.shape[0] - 1, best.shape[1]
same = best == best[-1]  # (L + 1, T): does it say what the last layer says?
since = [next(n for n in range(L + 1) if bool(same[n:, t].all())) for t in range(T)]
for layer in range(L + 1):
    places = [token(ids[0, t]) for t in range(T) if since[t] == layer]
    print(f"since layer {layer}: {len(places)} of {T} {places}")

# %% [markdown]
# There is no single layer. One answer is there after the first block; others come only with the last one. Take care how
# you read this: the lens asks what the stream says *to the last layer's norm and matrix*. What a middle layer knows but
# has written in another way, it does not see.
#
# On official GPT-2, if it is here, with the prompt whose answer the storyteller cannot know:

# %%
if local("gpt2"):
    display(gpt2.show.lens("The capital of France is"))
else:
    print("GPT-2's official weights are not here: minigpt download gpt2 fetches them")

# %% [markdown]
# ## The same in the project
#
# The model's last step, and the project's lens, which takes the stream from a recording:

# %%
source(GPT2.unembed)
print()
source(minigpt.analysis.lens.logit_lens)

# %% [markdown]
# `lm.next_tokens(prompt)` gives the ten best with logits and probabilities, `minigpt next "Once upon a time"` prints
# them, and `minigpt eval --text FILE` gives the perplexity and the bits per byte of a file.
#
# ## What we have
#
# | | from | to | what it says |
# |---|---|---|---|
# | logits | ids (B, T) | (B, T, V) | a score for each token, after each token; only differences count |
# | softmax of the last row | (B, T, V) | (B, V) | a probability for each token that may come next |
# | surprise, −log₂ p | one token | bits | how unexpected it was |
# | loss, the mean of −ln p | a text | nats | what training makes small; about ln V at its beginning |
# | perplexity, e to that power | a text | tokens | how many the model hesitates between; V if it knows nothing |
# | bits per byte | a text | bits | comparable between vocabularies |
# | logit lens | the stream | (L + 1, B, T, V) | what each layer would say |
#
# ## Five questions
#
# Decide before you unfold the code or *the answer*.

# %%
some = next_logits("Once upon a time")
same = torch.allclose((some + 100).softmax(dim=-1), some.softmax(dim=-1), atol=1e-4)
quiz(
    "100 is added to each logit. How do the probabilities change?",
    ["nothing changes", "the best becomes certain", "they all grow a little", "their sum is over 1"],
    "nothing changes" if same else "they all grow a little",
    "softmax sees differences only: the factor e¹⁰⁰ cancels",
)

# %%
two = torch.tensor([3.0, 1.0, 0.5, -2.0]).softmax(dim=-1)
quiz(
    "The logit of one token is 3, that of another 1. How many times as likely is the first?",
    ["3 times", "2 times", "7.4 times", "that depends on all the other logits"],
    f"{two[0] / two[1]:.1f} times",
    "e to the power of the difference, e² = 7.389; the denominator cancels",
)

# %%
quiz(
    "A model with 50,257 tokens gives all of them the same probability. What is its loss, in nats?",
    ["0.00", "10.82", "50,257", "0.69"],
    f"{-math.log(1 / 50257):.2f}",
    "ln V: any loss above it is worse than knowing nothing",
)

# %%
given = torch.tensor([1 / 2, 1 / 4, 1 / 8])
quiz(
    "Three tokens came, to which the model had given 1/2, 1/4 and 1/8. What is the perplexity?",
    ["64", "4.67", "4", "2"],
    f"{(-given.log().mean()).exp():.3g}",
    "the surprises are 1, 2 and 3 bits, on average 2, and 2² is 4; the mean of 2, 4 and 8 is 4.67",
)

# %%
with minigpt.record(lm.model) as seen, torch.no_grad():
    lm.model(ids)
    x = seen["h.2.out"]  # the stream after layer 3
    for block in lm.model.h[3:]:
        x = block(x)
    found = torch.equal(lm.model.unembed(lm.model.ln_f(x))[0].argmax(dim=-1), best[-1])
quiz(
    "After layer 3 the lens does not show the final answer. What follows?",
    [
        "the last norm and matrix do not read it there yet",
        "nothing in the stream after layer 3 could lead to it",
        "layers 1 to 3 are useless for it",
        "the model will be wrong",
    ],
    "the last norm and matrix do not read it there yet"
    if found and not torch.equal(best[3], best[-1])
    else "nothing in the stream after layer 3 could lead to it",
    "the other layers compute the answer from what is there, in whatever form",
)
