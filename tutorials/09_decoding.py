# %% [markdown]
# # 09 · Decoding: who picks the word?
#
# *Fifty minutes. You need lesson 08: logits, and the probabilities that a softmax computes from them.*
#
# A language model does one thing: it takes ids, and gives a score for each token that could come next.
#
# ```text
# Once upon a time  →  the model  →  a logit for each of V tokens  →  ?  →  one token, appended; and again
# ```
#
# The question mark is not in the model. It is a few lines of code around it, the **decoding strategy**, and it decides
# whether a text repeats itself, rambles, or reads well. You will write all the usual ones, and find out what each
# is good for.

# %%
import math
import textwrap
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

import minigpt
from minigpt import check
from minigpt.exercises.lesson import quiz, ready, source
from minigpt.generation.sampling import draw, filter_candidates, min_p
from minigpt.generation.sampling import top_p as project_top_p
from weights.fetch.locate import local

ready()
lm = minigpt.load("storyteller", device="cpu")
eos = lm.tokenizer.special_tokens["<|endoftext|>"]
n_ctx = lm.model.config.n_ctx


@torch.no_grad()
def model(ids: list[int]) -> Tensor:
    """The logits (V,) of the token that comes after these."""
    return lm.model(torch.tensor([ids]))[0, -1]


def tell(head: str, text: str) -> None:
    """Prints a text in lines of at most 96 characters; a line end in it is written \\n."""
    print(textwrap.fill(f"{head}: {text!r}", 96, subsequent_indent="    "))


print("logits:", model(lm.encode("Once upon a time")).shape)
for one in lm.next_tokens("Once upon a time", k=5, temperature=1):
    print(f"{one.text!r:9} logit {one.logit:5.2f}, probability {one.probability:.1%}")

# %% [markdown]
# Nobody would be surprised by any of these five. Which one comes?
#
# ## Greedy
#
# The simplest answer: the token with the highest logit, each time. No softmax is needed, since it keeps the order.
#
# Two limits need care. `eos`, the token `<|endoftext|>`, means that the text is over. And the model has only
# `n_ctx` positions: if the text is longer, the model gets only the last `n_ctx` tokens.

# %% exercise="greedy"

# %%
check(greedy)

# %% [markdown]
# Here is what yours writes, and whether it matches the project's own, with `temperature=0`, which means greedy there:

# %%
for prompt in ("Once upon a time", "The future of artificial intelligence will involve"):
    new = greedy(model, lm.encode(prompt), 32, eos, n_ctx)
    tell("greedy", prompt + lm.tokenizer.decode(new))
    print(
        "the same as the project's:",
        new == lm.generate(prompt, max_new_tokens=32, temperature=0).ids,
        "\n",
    )

# %% [markdown]
# Run it again: it is the same text, to the letter. It costs one pass through the model for each token, nothing else.
#
# But it goes in circles, and that is not because the storyteller is small. GPT-2 with its 124 million parameters wrote,
# greedily: *Once upon a time, the world was a place of great beauty and great danger. The world was a place of great
# danger, and the world was a place of great danger. The world was …*
#
# Why does it not get out? Look at the probability of each token in a loop:

# %%
loop = lm.generate("The capital of Germany is", max_new_tokens=44, temperature=0)
print("The capital of Germany is" + lm.tokenizer.decode(loop.ids[:2]))
for start in range(2, 44, 6):
    words = lm.tokenizer.decode(loop.ids[start : start + 6])
    probs = [math.exp(logprob) for logprob in loop.logprobs[start : start + 6]]
    print(f"{words:22}", "  ".join(f"{p:4.0%}" for p in probs), f"   together {math.prod(probs):.3%}")

# %% [markdown]
# The first *king* had 6%, the last one 46%, and a whole round has become dozens of times as likely: the model sees that
# this text repeats itself, and expects it to go on. (That the storyteller knows nothing of Germany is another matter.)
#
# ## A draw
#
# People do not always say the likeliest word. So let chance decide, but by the model's probabilities: a token with 22%
# should come in about 22 of 100 draws. On the left each token has a slice as wide as its probability; on the right is
# what came in 1,000 draws. (*Arrival* is how the project draws. We come to it at the end.)

# %%
lm.show.wheel("Once upon a time", k=6, temperature=1.0, top_p=1.0)

# %% [markdown]
# A computer draws with a random number `u` from 0 to 1 (1 itself never comes). Lay the probabilities end to end: they
# reach from 0 to 1. The token whose stretch contains `u` is drawn. `cumsum`, the running sum, says where each stretch
# ends.

# %% exercise="sample"

# %%
check(sample)

# %% [markdown]
# (`torch.multinomial(probs, 1)` draws by the same probabilities, with random numbers of its own, and gives (B, 1).)
# A random number generator that starts from the same **seed** gives the same numbers again, and so, with the same way
# of drawing, the same text. Without a seed, draws differ each time.
#
# ## Temperature
#
# Between always taking the best and a fair draw there is a knob. Divide the logits by a number T before the softmax:
#
# ```text
# probabilities = softmax(logits / T)
# ```
#
# | T | the differences between logits | what it does |
# |---|---|---|
# | T → 0 | without bound | greedy |
# | T < 1 | larger | favours what is likely |
# | T = 1 | as they are | the model's own probabilities |
# | T > 1 | smaller | favours what is unlikely |
# | T → ∞ | none | all tokens equally likely |
#
# The name comes from physics, where e^(−energy / T) says how often a state occurs. You may read that
# dividing by T brings the probabilities closer together: that is true only if T > 1.
#
# Nothing can be divided by 0, so T = 0 is *defined* as greedy: the best token has probability 1.

# %% exercise="temperature"

# %%
check(temperature)

# %% [markdown]
# Let yours write (at 0.7; `check.play` puts any of your exercises to work in the storyteller). Then come the same six
# tokens at the temperatures that people usually try. Entropy, in bits, says how open the choice is: it is the mean
# surprise (lesson 08) of what is drawn; n bits is as open as a choice between 2ⁿ equally likely tokens.

# %%
check.play(temperature, "Once upon a time", n=24)
lm.show.temperature("Once upon a time", temperatures=(0, 0.3, 0.5, 0.7, 1, 1.5))

# %% [markdown]
# At 1.5 three fifths of the draws go to tokens that are not even in the picture. Each of the other 4,090 is unlikely;
# together they win.
#
# ## Top-k
#
# Where does nonsense come from? From the long tail: thousands of tokens, each with hardly any chance, that together
# have a large one. So cut it off. **Top-k** keeps the k best tokens (Fan et al. 2018) and gives all others the score
# −∞, which the softmax turns into 0. The tokens that remain share the probability. `scores.topk(k, dim=-1).values` has
# the k best of each row, in order.

# %% exercise="top_k"

# %%
check(top_k)

# %% [markdown]
# How much of the probability is kept? The usual values of k, after four beginnings:

# %%
BEGINNINGS = ("The king's daughter and the king's", "She looked at", "Once upon a", "She saw a")
for prompt in BEGINNINGS:
    scores = model(lm.encode(prompt))[None]
    kept = [float(scores.softmax(-1)[top_k(scores, k) > -math.inf].sum()) for k in (1, 50, 500)]
    print(
        f"{prompt:36}",
        "  ".join(f"k = {k}: {share:4.0%}" for k, share in zip((1, 50, 500), kept, strict=True)),
    )
time = lm.encode(" time")[0]
for begin in ([], [eos]):
    print(
        "' time' after",
        begin,
        f"Once upon a: {model(begin + lm.encode('Once upon a')).softmax(-1)[time]:.1%}",
    )

# %% [markdown]
# Here is the weakness of top-k. After *She looked at* the best 50 tokens have nearly all of the probability, after
# *She saw a* only half. One k does not suit every position. (We know what comes after *Once upon a*. So does the
# storyteller, and it is surer still once `eos`, which comes before every text in training, says that a tale begins.)
#
# ## Top-p
#
# **Top-p**, or *nucleus sampling* (Holtzman et al. 2020), goes by probability instead of number: it keeps as many of
# the best tokens as are needed to reach p together. Where the model is sure, few; where it is not, many.

# %%
lm.show.staircase("Once upon a time", top_p=0.75)

# %% [markdown]
# Note the shaded row: the token *with which* the sum reaches p stays. Otherwise a token of 80% would be dropped at
# p = 0.75, and nothing would be left.
#
# You have to sort in order to add up. But the result must be in the order of the ids: that is what `scatter` is for. If
# `order`, which `sort` also returns, is 2, 0, 1, then `torch.zeros(3).scatter(0, order, values)` puts the first of the
# values at index 2, the second at index 0, the third at index 1.

# %% exercise="top_p"

# %%
check(top_p)

# %% [markdown]
# How many tokens does it keep, after the same four beginnings, for five values of p?
#
# And how does it cope with heat? A newer rule, **min-p** (Nguyen et al. 2024), was made for high temperatures, where
# the tail gets heavy and top-p lets it in. It keeps every token that has at least a certain share of the *best* token's
# probability; with 0.1, every token that is at least a tenth as likely. It is the shortest of the filters
# (`check.reset("min_p")` gives you the blank, if you like).

# %%
PS = (0.5, 0.75, 0.8, 0.95, 0.99)
print(" " * 36, "".join(f"p = {p:<6}" for p in PS))
for prompt in BEGINNINGS:
    scores = model(lm.encode(prompt))[None]
    print(f"{prompt:36}", "".join(f"{int((top_p(scores, p) > -math.inf).sum()):<10,}" for p in PS))
print("\nafter Once upon a time:")
for t in (0.7, 1.0, 1.5):
    scores = model(lm.encode("Once upon a time"))[None] / t
    kept = [int((found > -math.inf).sum()) for found in (top_p(scores, 0.9), min_p(scores, 0.1))]
    print(f"T = {t}: top-p 0.9 keeps {kept[0]:5,} tokens, min-p 0.1 keeps {kept[1]:2}")

# %% [markdown]
# One token after one beginning and 188 after another, with the same p = 0.75. But look at the last columns: from 0.95
# to 0.99 hundreds of tokens come in, each very unlikely. In the heat of T = 1.5 top-p lets in 821, min-p 9.
#
# ## All together
#
# The usual order is temperature, top-k, top-p, min-p, draw. Your functions in a row make a generator of nine lines,
# which does not stop at `eos`. (The logarithms of probabilities are scores, too: their softmax gives the same
# probabilities again.)


# %%
def chances(ids: list[int], t: float = 1.0, k: int = 0, p: float = 1.0, share: float = 0.0) -> Tensor:
    """The probabilities (1, V) from which the next token is drawn; k = 0, p = 1 and share = 0 keep everything."""
    scores = temperature(model(ids[-n_ctx:])[None], t).log()
    scores = top_k(scores, k) if k else scores
    scores = top_p(scores, p) if p < 1 else scores
    scores = min_p(scores, share) if share else scores
    return scores.softmax(dim=-1)


def write(prompt: str, n: int = 15, seed: int = 1, **settings: float) -> str:
    ids, chance = lm.encode(prompt), torch.Generator().manual_seed(seed)
    for _ in range(n):
        ids += torch.as_tensor(
            sample(chances(ids, **settings), torch.rand(1, generator=chance))
        ).tolist()
    return lm.tokenizer.decode(ids)


mine = chances(lm.encode("Once upon a time"), t=0.7, k=50, p=0.9)[0]
theirs = lm.next_tokens("Once upon a time", k=4096, temperature=0.7, top_k=50, top_p=0.9)
print("the project's probabilities:", all(abs(mine[one.id] - one.filtered) < 1e-5 for one in theirs))
tell("yours", write("Once upon a time", t=0.7, k=50, p=0.9))

# %% [markdown]
# What each of them does to the probabilities, one column after the other:

# %%
lm.show.bars("Once upon a time", k=8, temperature=0.7, top_k=50, top_p=0.9)

# %% [markdown]
# Now compare the texts, with the same random numbers each time. First the three prompts that lesson 11 gives to a chat
# model, with top-p 0.9 at T = 0.9. Temperatures that people usually try are 0.5, 1, 1.5 or 0.3, 0.7, 1, 1.5: here are
# all of them. Then **top-k** with 1, 50 and 500, at T = 1; and **top-p** with 0.95, 0.75 and 0.5 at T = 1, and with
# 0.5, 0.8, 0.95 and 0.99 at T = 0.8:

# %%
for prompt in ("What is 2+2?", "Suggest a party theme.", "Tell me a fun fact about space."):
    tell("top-p 0.9", write(prompt, n=40, t=0.9, p=0.9))
print()
for t in (0.3, 0.5, 0.7, 1.0, 1.5):
    tell(f"T = {t}", write("The meaning of life is", t=t))
print()
for k in (1, 50, 500):
    tell(f"k = {k}", write("The meaning of life is", k=k))
print()
for t, ps in ((1.0, (0.95, 0.75, 0.5)), (0.8, (0.5, 0.8, 0.95, 0.99))):
    for p in ps:
        tell(f"T = {t}, p = {p}", write("The secret to happiness is", t=t, p=p))
ids = lm.encode("The meaning of life is")
alike = write("The meaning of life is", k=1) == lm.tokenizer.decode(
    ids + greedy(model, ids, 15, eos, n_ctx)
)
print("k = 1 is greedy:", alike)

# %% [markdown]
# At 0.3 it plays safe; at 1.5, and now and then at 1, it makes up words, since even the parts of words are drawn at
# random. One text for each setting proves little: near the end we average over six.
#
# A trap, if you compare with the transformers library: whenever it samples, it uses `top_k=50`, unless you switch
# it off with `top_k=0`. What is called "simple sampling at temperature 1" there, or "top-p alone", is often top-k 50 as
# well. Here a filter that you do not name is off.
#
# Or nearly so: a checkpoint may bring settings of its own, as the storyteller does (`lm.generation_config`: temperature
# 0.7, top-p 0.9). A filter that you name overrides them; that is why a cell above says `top_p=1.0`.
#
# ## Temperature and top-k together
#
# When is top-k needed at all? For each pair, a hundred draws after *Once upon a time*: how many different tokens come?
# And what happens in calls that name both? (In libraries `do_sample` says whether to draw at all.)

# %%
print(" " * 9, "".join(f"k = {k:<5}" for k in (1, 5, 40, 500, 4096)))
for t in (1e-6, 0.3, 1.0, 2.0):
    row = []
    for k in (1, 5, 40, 500, 4096):
        probs = chances(lm.encode("Once upon a time"), t=t, k=k).expand(100, -1)
        u = torch.rand(100, generator=torch.Generator().manual_seed(0))
        row.append(len(set(torch.as_tensor(sample(probs, u)).tolist())))
    print(f"T = {t:<5}", "".join(f"{n:<9}" for n in row))
print()
calls = [
    {"do_sample": True, "temperature": 1e-6, "top_k": 40},
    {"do_sample": False, "temperature": 1.0, "top_k": 40},
    {"do_sample": False, "temperature": 0.5, "top_k": 40},
    {"do_sample": True, "temperature": 0},
    {"temperature": -1},
    {"top_p": 1.5},
    {"num_samples": 10},
]
for call in calls:
    try:
        texts = lm.generate("<|endoftext|>", max_new_tokens=12, num_return_sequences=10, **call)
        says = f"10 samples, {len({one.text for one in texts})} distinct: {texts[0].text!r}"
    except (ValueError, TypeError) as error:
        says = f"{type(error).__name__}: {error}"
    print(f"{call}\n    {says}")

# %% [markdown]
# At low temperatures k hardly matters: the draw seldom reaches the fifth token. The higher the temperature, the more k
# decides. As for the calls:
#
# - T = 10⁻⁶ asks for a draw, but here a temperature of 10⁻⁵ or less is greedy: ten samples, all equal. Divided by 10⁻⁶,
#   logits are in the millions, where a float32's last digit is worth half a unit, so such a draw would depend on
#   rounding errors.
# - With `do_sample=False` nothing is drawn. A temperature of 1 and a top-k do no harm, since no filter drops the best
#   token. But a temperature of 0.5 asks for draws, and the two contradict each other: the error says so. Some libraries
#   ignore the temperature, perhaps with a warning.
# - Meaningless values and unknown names are refused; the error says what is allowed, or what you probably meant.
#
# (The prompt `<|endoftext|>` stands before every text in training. What comes after it is how a tale may begin:
# an *unconditional* sample. Lesson 11 has more about it.)
#
# ## Beam search
#
# Greedy takes the best *token* each time. Does that give the most probable *text*? That is often said, and it is wrong.
# The probability of a text is the product of its tokens' probabilities, and a token that is only third best may open
# the way to better ones.
#
# **Beam search** keeps several texts, the *beams*. Each round it extends all of them by every token, and of all these
# it keeps the few with the highest product; or, which is the same, with the highest sum of logarithms. (Products of
# many small numbers become too small for a float, sums of logarithms do not.)

# %%
lm.show.beams("Once upon a time", num_beams=3, max_new_tokens=6)

# %% [markdown]
# The comma is the best first token, and greedy takes it. The winner begins with the second best. (The bar at the right
# only says that the picture ends there.)
#
# One thing must still be decided. Each further token makes the sum smaller, since the logarithm of a probability is
# negative. So texts of different lengths cannot be compared by their sums; take the **mean** per token. In the
# exercise, a text is finished when it gets `eos`, and then competes with the others at the end.

# %% exercise="beam"

# %%
check(beam)

# %% [markdown]
# Yours and greedy after *The quick brown fox*, and how likely the model itself finds each:


# %%
def logprob(prompt: str, new: list[int]) -> float:
    """The sum of the log-probabilities of the new ids."""
    before = lm.encode(prompt)
    with torch.no_grad():
        logprobs = lm.model(torch.tensor([before + new]))[0].log_softmax(dim=-1)  # (T, V)
    return sum(float(logprobs[len(before) + n - 1, id]) for n, id in enumerate(new))


fox = lm.encode("The quick brown fox")
texts = {"greedy": greedy(model, fox, 9, eos, n_ctx)}
texts |= {f"{width} beams": beam(model, fox, 9, width, eos) for width in (3, 5)}
totals = {name: logprob("The quick brown fox", new) for name, new in texts.items()}
for name, total in totals.items():
    print(
        f"{name:7} {total:7.2f}, probability {math.exp(total):.1e}: {lm.tokenizer.decode(texts[name])!r}"
    )

# %% [markdown]
# ### Why not the plain sum?
#
# Many beam searches compare texts by the plain sum. Ours divides it by lengthᵃ, where a is called `length_penalty`: 1
# gives the mean, and `length_penalty=0` the plain sum. Watch what that does when texts may end early. Let a full stop
# be the end:

# %%
stop = lm.encode(".")[0]
for penalty in (0, 1):
    for prompt in ("They went home", "She wept"):
        found = lm.generate(
            prompt, num_beams=5, length_penalty=penalty, eos_token_id=stop, max_new_tokens=20
        )
        total, n = sum(found.logprobs), len(found.ids)
        text = prompt + lm.tokenizer.decode(found.ids)
        print(f"length_penalty={penalty}: sum {total:6.2f}, length {n:2}, mean {total / n:5.2f}: {text}")

# %% [markdown]
# By the plain sum, saying nothing is best: *She wept.* Better models do it, too, since every word costs something: for
# more than half of the sentences, a good system's likeliest translation was the empty one (Stahlberg & Byrne 2019).
# The mean has the opposite fault: it favours texts that go on for ever without surprise.
#
# ## What is likely is not what is good
#
# Now we can compare. For each strategy: how surprised is the model itself by the text, in bits a token? What share of
# the groups of four tokens has occurred before in that text? How many of the texts differ, out of three per prompt if
# it draws and one if it does not? And how many tokens had to go through the model for each one written?
#
# *penalty* is greedy with a repetition penalty: tokens that are already in the text get a lower score.


# %%
def repeated(ids: list[int]) -> float:
    groups = [tuple(ids[n : n + 4]) for n in range(len(ids) - 3)]
    return 1 - len(set(groups)) / len(groups)


OPEN = {"top_k": 0, "top_p": 1.0}
STRATEGIES = {
    "greedy": {"temperature": 0},
    "3 beams": {"num_beams": 3},
    "T = 0.7": {"temperature": 0.7, **OPEN},
    "T = 1": {"temperature": 1.0, **OPEN},
    "T = 1.5": {"temperature": 1.5, **OPEN},
    "top-k 50": {"temperature": 1.0, "top_k": 50, "top_p": 1.0},
    "top-p 0.9": {"temperature": 1.0, "top_p": 0.9},
    "min-p 0.1": {"temperature": 1.0, "min_p": 0.1, "top_p": 1.0},
    "penalty": {"temperature": 0, "repetition_penalty": 1.3},
}
passes: list[int] = []
counter = lm.model.ln_f.register_forward_hook(
    lambda _module, inputs, _out: passes.append(len(inputs[0]))
)
for name, settings in STRATEGIES.items():
    passes.clear()
    n_texts = 3 if settings.get("temperature") else 1
    prompts = ["Once upon a time", "The meaning of life is"]
    found = lm.generate(prompts, num_return_sequences=n_texts, max_new_tokens=50, seed=1, **settings)
    texts = found if n_texts == 1 else [text for several in found for text in several]
    n = sum(len(text.ids) for text in texts)
    bits = -sum(sum(text.logprobs) for text in texts) / n / math.log(2)
    again = sum(repeated(text.ids) for text in texts) / len(texts)
    print(
        f"{name:10} {bits:5.2f} bits a token, {again:4.0%} repeated, "
        f"{len({text.text for text in texts})} of {len(texts)} texts, "
        f"{sum(passes) / n:.1f} through the model\n           {texts[0].text[:78]!r}"
    )
counter.remove()
tale = lm.score(
    "In olden times when wishing still helped one, there lived a king whose daughters were all beautiful, but the "
    "youngest was so beautiful that the sun itself, which has seen so much, was astonished when it shone in her face."
)
print(f"{'people':10} {-sum(tale.logprobs) / len(tale.logprobs) / math.log(2):5.2f} bits a token")

# %% [markdown]
# Greedy and beams write what the model finds likely, and repeat themselves. People write what is *not* so likely: a
# text without a surprise says nothing. Draws at T = 1.5 are less likely still, and are nonsense. What reads best lies
# in between. (The human text, from *The Frog King*, surprises our small model as much as its own draws at T = 1.)
#
# | strategy | for it | against it | good for |
# |---|---|---|---|
# | **greedy** | simple, the same each time | repeats itself; never looks back | one short right answer; tests |
# | **temperature** | one knob from dull to wild | the tail stays in: nonsense when hot | all sampling |
# | **top-k** | cuts the tail | one k for sure and unsure positions | a quick cut, with a temperature |
# | **top-p** | as many tokens as the place needs | sorts; lets much in when hot | stories, chat |
# | **min-p** | like top-p, but copes with heat | another knob | stories when hot |
# | **beam search** | finds likelier texts than greedy | costs more; duller in open texts | translation, summaries |
# | **repetition penalty** | breaks loops | also hits words that must recur | with greedy |
#
# Beams are good where there is more or less one right answer, and it is the likeliest text. Some call them "higher
# quality": in general they are not.
#
# ## What values are usual?
#
# | parameter | off | usual | at the ends |
# |---|---|---|---|
# | `temperature` | 1 | 0.2 to 2; for reading 0.7 to 1 | 0 is greedy |
# | `top_k` | 0 | 10 to 100, often 40 or 50 | 1 is greedy |
# | `top_p` | 1 | 0.8 to 0.95 | near 0 only the best is left |
# | `min_p` | 0 | 0.05 to 0.1 | 1 leaves only what is as likely as the best |
# | `num_beams` | 1 | 3 to 5 | 1 is greedy |
# | `repetition_penalty` | 1 | 1.1 to 1.3 | pushes down what the text already has |
# | `max_new_tokens` | – | what you need | `max_length` counts the prompt, too |
#
# A low temperature is sometimes called *precise*. It is not: it makes the model say what it finds likely, right or
# wrong. And no knob makes it know more.
#
# ## The same in the project
#
# Your filters are in `minigpt/generation/sampling.py`, with a few rarer ones (`top_h`, `cut_off`). `nucleus` allows
# for rounding, where your sum may narrowly miss p. And the draw is written as a race: each token waits for a random
# time, −log(u) / p with its own u, which tends to be short where p is large; the first to arrive is drawn. This gives
# the same probabilities; in the wheel's picture these times were the *arrivals*. And if a filter drops some tokens, the
# same seed still draws the same token, unless that one was dropped. In your draw a small change shifts the stretches of
# all later tokens.

# %%
source(filter_candidates)
print()
source(project_top_p)
print()
source(draw)

# %% [markdown]
# `minigpt/generation/simple.py` has the loop around them, `beam_search.py` the beams. On the command line:
# `minigpt generate "Once upon a time" --temperature 0.7 --top-p 0.9 --seed 1`, and `minigpt next` shows
# the probabilities before and after.
#
# On the official weights, greedy must give the published text, to the letter:

# %%
GOLDEN = (
    ' a lot of work.\n\n"We\'re going to have to see how we do it," said Dr. Michael S. Hirsch, a professor of '
    "computer science at the University of California, Berkeley. \"We're going to have to see"
)
if local("gpt2"):
    official = minigpt.load("gpt2", device="cpu")
    found = official.generate(
        "The future of artificial intelligence will involve", temperature=0, max_new_tokens=50
    )
    print(found.text, "\nas published:", found.text == GOLDEN)
else:
    print(
        "GPT-2's official weights are not here: minigpt download gpt2 fetches them, and this cell compares"
    )

# %% [markdown]
# ## Five questions
#
# Decide before you unfold the code or *the answer*.

# %%
rows = torch.tensor([[2.0, 1.0, 0.0]])
orders = {
    t: [bool(same) for same in ((rows / t).argsort(-1) == rows.argsort(-1)).flatten()]
    for t in (0.1, 0.5, 1.0, 5.0)
}
quiz(
    "Which of these can a temperature above 0 not change?",
    [
        "the entropy",
        "the order of the tokens",
        "how many tokens top-p keeps",
        "the best token's probability",
    ],
    "the order of the tokens" if all(map(all, orders.values())) else "the entropy",
    "all logits are divided by the same number; so greedy needs no temperature",
)

# %%
p_row = torch.tensor([[0.5, 0.25, 0.15, 0.1]])
quiz(
    "Four tokens have the probabilities 0.5, 0.25, 0.15 and 0.1. How many does top-p keep with p = 0.8?",
    [1, 2, 3, 4],
    int((project_top_p(p_row.log(), 0.8) > -math.inf).sum()),
    "0.5 and 0.25 are only 0.75; the token with which the sum reaches 0.8 stays",
)

# %%
quiz(
    "Two logits, 2 and 0. At temperature 1 the first has a probability of 88%. And at temperature 2?",
    ["44%", "73%", "98%", "88%"],
    f"{torch.tensor([2.0, 0.0]).div(2).softmax(0)[0]:.0%}",
    "2 / 2 is 1, and softmax(1, 0) is 0.73, 0.27",
)

# %%
comma, there = (model(lm.encode("Once upon a time"))[lm.encode(text)[0]] for text in (",", " there"))
greedy_sum, beams_sum = (
    sum(lm.generate("Once upon a time", max_new_tokens=6, **how).logprobs)
    for how in ({"temperature": 0}, {"num_beams": 3})
)
quiz(
    "After Once upon a time greedy began with ',', and the search with three beams with ' there'. Why?",
    [
        "it draws, and this time the comma did not come",
        "its first token is likelier than the comma",
        "its text as a whole is likelier than greedy's",
        "a comma is shorter, and long texts score better",
    ],
    "its text as a whole is likelier than greedy's"
    if comma > there and beams_sum > greedy_sum
    else "its first token is likelier than the comma",
    f"the six tokens of greedy have the log-probability {greedy_sum:.2f} together, those of the beams {beams_sum:.2f}",
)

# %%
text_a, text_b = [-1.0, -1.0], [-1.0, -0.5, -0.5, -0.5]
sums, means = [sum(a) for a in (text_a, text_b)], [sum(a) / len(a) for a in (text_a, text_b)]
names = {(True, False): "A by the sum, B by the mean", (False, True): "B by the sum, A by the mean"}
quiz(
    "Log-probabilities of two finished texts: A has −1, −1, and B has −1, −0.5, −0.5, −0.5. Which one wins?",
    ["A by both", "B by both", "A by the sum, B by the mean", "B by the sum, A by the mean"],
    names.get(
        (sums[0] > sums[1], means[0] > means[1]), "A by both" if sums[0] > sums[1] else "B by both"
    ),
    "the sums are −2 and −2.5, the means −1 and −0.625: each further token costs, even a likely one",
)
