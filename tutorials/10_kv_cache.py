# %% [markdown]
# # 10 · The KV cache: why is token 100 as cheap as token 2?
#
# *Forty minutes. You need lesson 05's attention and lesson 07's model.*
#
# A model writes token by token, and each token depends on all before it. So the longer the text, the more there is to
# compute for the next token, and a long answer should become slower and slower. If you have used a chat model, you know
# that it does not. Why?
#
# Because nearly all of that work has been done before. In this lesson you find out what has to be kept, write attention
# with a memory for it, the **KV cache**, then a generator that uses it, and count what it saves.

# %%
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

import minigpt
from minigpt import check
from minigpt.analysis.passes import cache_passes
from minigpt.exercises.lesson import quiz, ready, source
from minigpt.generation import simple
from minigpt.models.cache import KVCache, LayerKV
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.pictures.curves import curves

Cache, Model = dict[str, Tensor], Callable  # for the signatures of the exercises
ready()
lm = minigpt.load("storyteller", device="cpu")

# %% [markdown]
# ## The same again and again
#
# This is the loop of lesson 07, and of nearly every introduction: send the whole text through the model, append the
# best token, send the whole longer text through the model, and so on. It counts the tokens that it sends:


# %%
def write_slowly(prompt: list[int], n: int) -> tuple[list[int], list[int]]:
    new, sent = [], []
    for _ in range(n):
        text = prompt + new
        sent.append(len(text))
        with torch.no_grad():
            logits = lm.model(torch.tensor([text]))  # (1, T, V)
        new.append(int(logits[0, -1].argmax()))
    return new, sent


prompt = lm.encode("Once upon a time")
slow, sent = write_slowly(prompt, 40)
print(lm.tokenizer.decode(prompt + slow))
print(f"tokens sent: {', '.join(map(str, sent[:4]))}, …, {sent[-1]}: {sum(sent):,} in all")

# %% [markdown]
# 940 tokens were sent for 40 new ones, and only 43 of them for the first time. Does the repeated work give anything
# new? We record everything that the model computes for a text of six tokens, then for the same text with one more
# token, and compare the first six positions:

# %%
ids = torch.tensor([lm.encode("The old king had three sons")])  # (1, T)
longer = torch.cat([ids, torch.tensor([lm.encode(".")])], dim=1)  # (1, T + 1)
T = ids.shape[1]
with minigpt.record(lm.model) as before, torch.no_grad():
    lm.model(ids)
with minigpt.record(lm.model) as after, torch.no_grad():
    lm.model(longer)
for name in ("h.0.attn.k", "h.3.attn.q", "h.3.mlp.hidden", "h.5.attn.v", "h.5.out", "logits"):
    old, new = before[name], after[name]
    same = torch.allclose(old, new[..., :T, :], atol=1e-4)  # dimension -2 is the position
    print(f"{name:15} {tuple(old.shape)!s:16} then {tuple(new.shape)!s:16} the first {T}: {same}")

# %% [markdown]
# `True` everywhere: what was computed for the old tokens is computed again, and comes out the same. It must. No token
# sees what comes after it (lesson 05's causal mask), so a new token at the end can change nothing before it.
#
# ## What does the new token need?
#
# Only the new token's own logits are needed. What do they need from the old tokens? Go through the model:
#
# - embeddings, LayerNorm, the MLP and all linear layers work on each token separately: nothing;
# - **attention** is the one place where tokens meet. The new token's query is multiplied by the *keys* of all tokens,
#   and the weights by the *values* of all tokens.
#
# So it is the keys and values of the old tokens, in each layer, and nothing else. Their queries have done their work
# and are not needed again. Does the last token's attention come out right from its own query alone?

# %%
q, k, v = (after[f"h.2.attn.{name}"] for name in "qkv")  # (1, H, T + 1, D) each
newest = q[:, :, -1:]  # (1, H, 1, D)
scores = newest @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (1, H, 1, T + 1)
found = scores.softmax(dim=-1) @ v  # (1, H, 1, D)
model_found = after["h.2.attn.heads"][:, :, -1:]
print("scores of one token", tuple(scores.shape), "of all", tuple(after["h.2.attn.scores"].shape))
print("the same as in the model:", torch.allclose(found, model_found, atol=1e-5))

# %% [markdown]
# One row of scores instead of the whole square. And no mask was needed: the newest token may see every token.
#
# | of an old token | in the next step |
# |---|---|
# | keys and values, in each layer | **stored**: every later token needs them |
# | queries, scores, weights | not needed any more |
# | residual stream, MLP, logits | not needed any more |
#
# ## Exercise 1: `cached_attention`
#
# Write attention that gets only the new tokens and remembers the rest. `cache` is a dict, empty at first; afterwards
# `cache["k"]` and `cache["v"]` hold the keys and values of all tokens so far. The cache's space for one token is called
# a **slot**: slot 0 is the first token's.
#
# Often there are several new tokens: the prompt comes all at once, and then a mask *is* needed. There are T rows for
# the new tokens and S columns for all tokens so far. The rule is the old one: a token sees the places up to its own.
# But its own place is no longer its row number:


# %%
def may_see(T: int, S: int) -> Tensor:
    places = range(S - T, S)  # of the new tokens
    return torch.tensor([[int(slot <= place) for slot in range(S)] for place in places])


for T, S in ((5, 5), (1, 5), (2, 5)):
    print(f"{T} new of {S}:", may_see(T, S).tolist())

# %% [markdown]
# (1 where a token may look; `masked_fill` wants True where it may **not**: `may_see(T, S) == 0`. Or find a shorter
# way.) `torch.cat([a, b], dim=2)` joins along the third dimension.

# %% exercise="cached_attention"

# %%
check(cached_attention)

# %% [markdown]
# Your function in all blocks of the storyteller, each with its own cache, with each token computed once; then the
# storyteller without any cache, with the same seed:

# %%
check.play(cached_attention, "Once upon a time", n=20)
check.play(minigpt.models.gpt2.CausalSelfAttention, "Once upon a time", n=20)

# %% [markdown]
# The same text: a cache changes the work, not the result.
#
# ## The slots fill
#
# With a cache, writing has two phases. In the **prefill** the whole prompt goes through the model at once and fills its
# slots; then comes one **decode step** for each new token. In the picture a row is a pass, a column a slot:

# %%
lm.show.cache("Once upon a time")

# %% [markdown]
# The last token never goes through the model: nothing is predicted after it. Without a cache the passes get longer, and
# their sum grows with the square of the length:

# %%
print("new tokens   with cache   without")
for n in (6, 40, 80, 500):
    lengths = [len(prompt) + i for i in range(n)]
    print(f"{n:10,} {len(prompt) + n - 1:12,} {sum(lengths):9,}")

# %% [markdown]
# ## Counting multiplications
#
# The number of tokens is not yet the work. Seconds depend on the machine, so let us count multiplications. A matrix
# (n, m) times a matrix (m, p) takes n · m · p of them. So for each token that goes through the model:
#
# - each number in a weight matrix is used once, the output matrix `wte` included (not `wpe`: there we look up a row);
# - in each layer the H heads multiply the token's query by the keys of S slots, H · D = C multiplications a slot
#   (masked ones included), and the weights by the values, as many again: 2 · S · C.


# %%
def n_weights(model: GPT2) -> int:
    named = model.named_parameters()
    return sum(p.numel() for name, p in named if p.dim() == 2 and name != "wpe.weight")


def multiplications(model: GPT2, T: int, S: int) -> int:
    """Of a pass for T new tokens that sees S slots."""
    C, L = model.config.n_embd, model.config.n_layer
    return T * n_weights(model) + L * T * 2 * S * C


# %% [markdown]
# Is that right? We can check: torch calls the method below for each of its operations, and it adds up the
# multiplications in the matrix products.
#
# `KVCache` (`minigpt/models/cache.py`) is the project's cache: `n_rows` texts, each with room for `n_slots` tokens;
# `.first(n)` is its first n slots, in the same memory. `pos` gives the positions of the new tokens, and so determines
# both the row of `wpe` and the slot.


# %%
class Count(TorchFunctionMode):
    n = 0

    def __torch_function__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if operation is Tensor.matmul:  # (…, n, m) @ (…, m, p): m for each result
            self.n += result.numel() * args[0].shape[-1]
        return result


def counted(ids: list[int], pos: list[int], cache: KVCache) -> int:
    with Count() as count, torch.no_grad():
        lm.model(torch.tensor([ids]), torch.tensor([pos]), cache)
    return count.n


slots = KVCache(lm.model.config, n_rows=1, n_slots=100)
text = (prompt + slow + slow + slow)[:100]
print(f"the first 99 at once: {counted(text[:99], list(range(99)), slots.first(99)):,} counted,")
print(f"                      {multiplications(lm.model, 99, 99):,} expected")
print(f"then number 100:      {counted(text[99:], [99], slots):,} counted,")
print(f"                      {multiplications(lm.model, 1, 100):,} expected")

# %% [markdown]
# It is. Now the question of this lesson, for the storyteller and for the smallest GPT-2, which we build without its
# numbers: counting does not need them.

# %%
with torch.device("meta"):
    gpt2 = GPT2(GPT2Config())
for name, model in (("storyteller", lm.model), ("GPT-2", gpt2)):
    print(f"{name}: millions of multiplications for the next token")
    print("  length   with cache   without")
    for S in (2, 10, 100, model.config.n_ctx):
        one, all_of_them = multiplications(model, 1, S), multiplications(model, S, S)
        print(f"{S:8,} {one / 1e6:12,.1f} {all_of_them / 1e6:9,.1f}")

# %%
lengths = list(range(1, lm.model.config.n_ctx + 1))
work = {
    "without a cache": [multiplications(lm.model, S, S) / 1e6 for S in lengths],
    "with a cache": [multiplications(lm.model, 1, S) / 1e6 for S in lengths],
}
curves(lengths, work, "Millions of multiplications for the next token, by the length of the text")

# %% [markdown]
# So token 100 is *nearly* as cheap as token 2. Nearly: its query meets 100 keys, not 2, and that part keeps growing.
# But it is small compared with the weights, which every token must go through. When does it catch up?

# %%
for name, model in (("storyteller", lm.model), ("GPT-2", gpt2)):
    per_slot = 2 * model.config.n_layer * model.config.n_embd
    more = multiplications(model, 1, 100) / multiplications(model, 1, 2) - 1
    equal = n_weights(model) // per_slot
    print(f"{name}: token 100 costs {more:.1%} more than token 2; scores and weighted values")
    print(
        f"  cost as much as all the rest at {equal:,} tokens, and the model has {model.config.n_ctx:,} places"
    )

# %% [markdown]
# The table above shows two more things. In a short text a token costs GPT-2 some 124 million multiplications, about as
# many as it has parameters. And the column "without" is also the cost of the prefill for a prompt of that length: hence
# the pause before a chat model's first word.
#
# ## Exercise 2: `generate_cached`
#
# Now the generator: prefill, then one id at a time. It gets a `model` that is called as `model(ids, cache)`, with a
# list of ids, and returns two things: logits (T, V) for the T ids that it was given, and a cache that includes these
# ids. `None` is the empty cache. Take the best token each time; `eos` ends a text and is not part of it. There are
# several prompts, processed one after the other, and each begins with an empty cache.

# %% exercise="generate_cached"

# %%
check(generate_cached)

# %% [markdown]
# To use it with the storyteller, we wrap the storyteller to fit. Its cache is a `KVCache` and the number of slots that
# are filled:


# %%
def storyteller(ids, cache):
    slots, n = cache or (KVCache(lm.model.config, n_rows=1, n_slots=lm.model.config.n_ctx), 0)
    pos = torch.arange(n, n + len(ids))[None]  # (1, T): the new tokens come after the n old ones
    with torch.no_grad():
        logits = lm.model(torch.tensor([ids]), pos, slots.first(n + len(ids)))  # (1, T, V)
    return logits[0], (slots, n + len(ids))


end = lm.tokenizer.special_tokens["<|endoftext|>"]
texts = ("Once upon a time", "What is 2+2?", "Suggest a party theme.")
prompts = [lm.encode(text) for text in texts]
fast = generate_cached(storyteller, prompts, 20, end)
for ids, new in zip(prompts, fast, strict=True):
    print(repr(lm.tokenizer.decode([*ids, *new])))
print("the first is the text of the slow loop:", list(fast[0]) == slow[:20])

# %% [markdown]
# (The storyteller has no answer to the second and the third: lesson 11.)
#
# The likeliest mistake with caches is in `pos`. Forget the old tokens, and each new one is treated as the first:


# %%
def forgetful(ids, cache):
    slots, n = cache or (KVCache(lm.model.config, n_rows=1, n_slots=lm.model.config.n_ctx), 0)
    pos = torch.arange(len(ids))[None]  # from 0 each time
    with torch.no_grad():
        logits = lm.model(torch.tensor([ids]), pos, slots.first(n + len(ids)))
    return logits[0], (slots, n + len(ids))


wrong = generate_cached(forgetful, prompts[:1], 20, end)
print(repr(lm.tokenizer.decode([*prompts[0], *wrong[0]])))

# %% [markdown]
# No error tells you. Each token overwrites slot 0 and sees nothing else, so the model writes as if each stood alone.
#
# And in seconds? Here is the step after 256 tokens, both ways, the best of three. (How many seconds it takes depends on
# your machine, so we print only which is faster.)


# %%
def seconds(work: Callable) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


long = (prompt + slow * 7)[:257]
_, cache = storyteller(long[:256], None)
once = seconds(lambda: storyteller(long[256:], cache))
again = seconds(lambda: storyteller(long, None))
print("the step with the cache is faster:", once < again)

# %% [markdown]
# ## What it costs
#
# The cache trades memory for time: two vectors of C numbers, key and value, for every token in each layer. Here it is
# as float32, four bytes a number, next to the model's own numbers:

# %%
with torch.device("meta"):
    xl = GPT2(GPT2Config(n_layer=48, n_head=25, n_embd=1600))
print("             bytes a token   MB, full   MB, weights")
for name, model in (("storyteller", lm.model), ("gpt2", gpt2), ("gpt2-xl", xl)):
    per_token = 2 * model.config.n_layer * model.config.n_embd * 4
    full = per_token * model.config.n_ctx / 1e6
    own = 4 * sum(p.numel() for p in model.parameters()) / 1e6
    print(f"{name:12} {per_token:13,} {full:10,.1f} {own:13,.1f}")
one_slot = slots.first(1)
print(f"one slot of the storyteller's KVCache: {one_slot.k.nbytes + one_slot.v.nbytes:,} bytes")

# %% [markdown]
# And that is for **each** text in a batch: ten full ones take more than the weights do. Hence half precision, and
# models whose heads share keys and values (*grouped-query attention*, in Llama: `H_kv` in lesson 05's source).
#
# ## When the window is full
#
# GPT-2 has places for 1,024 tokens, the storyteller for 512. If a text grows beyond that, the first token must go, and
# every other token gets a place number smaller by one. Is the cache still right?

# %%
with minigpt.record(lm.model) as moved, torch.no_grad():
    lm.model(longer[:, 1:])  # the first token is gone
for layer in (0, 5):
    old, new = after[f"h.{layer}.attn.k"][:, :, 1:], moved[f"h.{layer}.attn.k"]
    right, off = torch.allclose(old, new, atol=1e-3), (old - new).norm() / old.norm()
    print(f"keys of layer {layer}: still right {right}, off by {off:.0%}")

# %% [markdown]
# No. (Off by: the length of the difference, divided by that of the old keys; in a full window it is less.) Each token
# now has another row of `wpe`, so its keys and values are different, most of all in the first layer; and every token
# that looked at the lost one has changed, too. So by default the project refuses such a text. Asked to forget the
# beginning (`context="slide"`), it then sends the whole window through the model for each token, like the slow loop.
#
# ## Several texts at once
#
# A batch is a rectangle, but prompts differ in length, so the shorter ones are **padded**. transformers wants the
# padding on the *left* (`padding_side='left'`; otherwise it warns), because it appends new tokens at the right end of
# all rows alike. It also needs an attention mask, which hides the padding. Here the padding is on the right, after the
# text, where no token of the text looks; each row has its own `pos`, and the first new token overwrites the padding's
# slot. The texts must be the same either way:

# %%
settings = {"temperature": 0, "max_new_tokens": 12}
together = [one.text for one in lm.generate(list(texts), **settings)]
alone = [lm.generate(text, **settings).text for text in texts]
print("lengths of the prompts:", [len(ids) for ids in prompts])
print("together the same texts as one by one:", together == alone)

# %% [markdown]
# ## The same in the project
#
# The cache of one layer writes at `pos`, and returns all slots; the mask was made by the rule of `may_see`. Then comes
# the loop that writes a single text that fits into the window:

# %%
source(LayerKV)
print()
source(simple.next_ids)

# %% [markdown]
# It asks only for the logits of the newest token (`unembed(x[:, -1])`), while your generator gets those of the whole
# prompt; and it allocates all slots at once, where yours grow by `torch.cat`, which copies them each time.
#
# In transformers the cache is called `past_key_values` (in a block, for a long time, `layer_past`) and is on unless you
# say `use_cache=False`. A hand-written loop that calls `model(ids)` on the whole text, as in many tutorials, uses none.
#
# ## What we have
#
# | | without a cache | with it |
# |---|---|---|
# | tokens through the model, for n new after P | P + (P + 1) + … + (P + n − 1) | P + n − 1 |
# | a step's scores | (B, H, S, S) | (B, H, 1, S) |
# | cost of the next token | grows with the length | nearly constant |
# | memory | none | 2 · L · C numbers a token |
# | what can go wrong | – | places, masks, rows that share a cache |
#
# ## Five questions
#
# Decide before you unfold the code or *the answer*.

# %%
held, layers = set(vars(slots)), slots.k.shape[0] == lm.model.config.n_layer
quiz(
    "What is stored for each token?",
    [
        "query, key and value, in each layer",
        "key and value, in each layer",
        "key and value, in the last layer",
        "its logits",
    ],
    "key and value, in each layer" if held == {"k", "v"} and layers else "its logits",
    "each layer attends by itself; old queries are not needed again",
)

# %%
passes = list(cache_passes(lm.model, list(range(10)), 5, lm.settings({"temperature": 0})))
quiz(
    "A prompt of 10 tokens, 5 new ones, with a cache. How many tokens go through the model?",
    [14, 15, 60, 5],
    sum(one.n_tokens for one in passes),
    "10 in the prefill, then 4: nothing is predicted after the last one. Without a cache it is 60",
)

# %%
one_q, all_k = torch.zeros(1, 12, 1, 64), torch.zeros(1, 12, 100, 64)
quiz(
    "Token number 100 of a single text goes through GPT-2, with a cache. What shape have a layer's scores?",
    ["(1, 12, 100, 100)", "(1, 12, 1, 100)", "(1, 12, 100, 1)", "(1, 12, 1, 1)"],
    str(tuple((one_q @ all_k.transpose(-2, -1)).shape)),
    "one row, for the new token, with a score for each of 100 keys, in each of 12 heads",
)

# %%
quiz(
    "How many bytes of cache does GPT-2 medium (24 layers, C = 1,024) need for each token, as float32?",
    [8192, 98304, 196608, 4718592],
    KVCache(GPT2Config(n_layer=24, n_head=16, n_embd=1024), n_rows=1, n_slots=1).k.nbytes * 2,
    "2 · 24 · 1,024 · 4; 98,304 forgets that values are kept as well as keys",
)

# %%
pairs = [(after[f"h.0.attn.{name}"][:, :, 1:], moved[f"h.0.attn.{name}"]) for name in "kv"]
still = [torch.allclose(old, new, atol=1e-3) for old, new in pairs]
quiz(
    "The window is full, and GPT-2's oldest token has to go. What of the cache is still right?",
    ["all but its first slot", "the values, not the keys", "nothing", "the slots of layer 0"],
    "nothing" if not any(still) else "all but its first slot",
    "each token's place number is smaller by one: it gets another row of wpe, and with it other keys and values",
)
