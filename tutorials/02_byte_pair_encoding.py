# %% [markdown]
# # 02 · Byte-pair encoding: where do GPT-2's 50,257 tokens come from?
#
# *Forty-five minutes. You need lesson 01: tokens, ids, vocabulary, bytes.*
#
# Words make the vocabulary endless, and bytes make texts too long. In between there are **subwords**: what is
# frequent stays whole, what is rare is cut into parts. But which parts? Nobody writes such a list by hand. It is
# *learnt* from text, by a rule so simple that you will have written all of it in half an hour: join the two neighbours
# that occur together most often, and repeat.
#
# This is **byte-pair encoding**, BPE (Sennrich et al. 2016, for translation; on bytes: GPT-2, Radford et al. 2019).

# %%
import re
from collections import Counter
from itertools import pairwise

import minigpt
from minigpt import check
from minigpt.analysis.merges import derivation
from minigpt.exercises.lesson import quiz, ready, source
from minigpt.exercises.official import official
from minigpt.pictures.cuts import text_cuts
from minigpt.pictures.merges import merge_tree

ready()
lm = minigpt.load("storyteller", device="cpu")
gpt2 = official("gpt2")  # GPT-2's own vocabulary, or the part of it that this lesson needs

# %% [markdown]
# ## What subwords look like
#
# This is how GPT-2 cuts three spellings of a word. The dot is a space: a token includes the space *before* its word,
# so `unbelievable` is cut differently with a space and without.

# %%
samples = {
    "at the beginning": "unbelievable",
    "within a sentence": " unbelievable",
    "in a text": "Unbelievable tokenization powers! 🚀",
}
text_cuts(
    [
        (where, [gpt2.decode_bytes([i]) for i in gpt2.encode(text)], gpt2.encode(text))
        for where, text in samples.items()
    ],
    "Subwords of GPT-2",
)

# %% [markdown]
# You may read elsewhere that *unbelievable* becomes `un`, `believ`, `able`. That would be nice, but GPT-2 has no such
# token as `believ`: it makes `un`, `bel`, `iev`, `able`. Nobody taught it grammar. And with a space before it, as in
# the middle of a sentence, the whole word is one token.
#
# The rocket is three tokens, whose bytes are not characters by themselves (lesson 03 has more of these).
#
# ## The idea, on four words
#
# Take four words, and how often each occurs in some text. At the start each byte is a token:

# %%
words = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
for word, times in words.items():
    print(f"{times} ×  {' '.join(word):12} {list(word.encode())}")

# %% [markdown]
# Which two neighbours occur together most often? `e s` in *newest*, 6 times, and in *widest*, 3 times: 9. (`s t`
# has 9, too; we come to ties below.) So `es` becomes a token, and gets the next free id: 256, since 0 to 255 are
# the bytes. Now `es t` is the most frequent pair, and so on. Each round is a **merge**.
#
# A round has two steps: count all pairs, then replace one of them. These are the first two exercises.
#
# ## Exercise 1: `count_pairs`
#
# The words are bytes: `"né".encode()` is three of them. (You may read that the basic pieces are characters. They are
# bytes: é is one character, but two bytes.) A word that occurs five times counts five times. Pairs overlap:
# *aaa* has the pair *aa* twice.

# %% exercise="count_pairs"

# %%
check(count_pairs)

# %% [markdown]
# Your function, on the four words:

# %%
counts = count_pairs(words)
for pair, n in sorted(counts.items(), key=lambda item: -item[1])[:6]:
    print(f"{n}  {bytes(pair).decode()}  {pair}")

# %% [markdown]
# `es` and `st` have the same count. Such ties are frequent, and a rule must break them, or two trainers would learn
# different vocabularies from one text. Our rule: of equally frequent pairs, the one with the smaller ids goes first, as
# Python compares tuples. (101, 115) is smaller than (115, 116).
#
# ## Exercise 2: `merge`
#
# Put a new id wherever the pair occurs. Go from left to right; what has been merged is gone: of 1, 1, 1 only the first
# two become the pair (1, 1).
#
# An endless loop is the likeliest mistake. `check` stops one after a second and says so.

# %% exercise="merge"

# %%
check(merge)

# %% [markdown]
# Two rounds by hand, with your `merge`, on *newest*:

# %%
newest = list(b"newest")
print(newest)
newest = merge(newest, (101, 115), 256)  # e s → 256
print(newest)
newest = merge(newest, (256, 116), 257)  # es t → 257
print(newest)

# %% [markdown]
# ## Exercise 3: `train`
#
# Now the whole trainer: 256 bytes, then a merge for each further token, until there are *n*.
#
# Two things come before the counting:
#
# - the text is cut into words, each with the space before it, and no pair crosses a cut. Otherwise `e t` in "th**e
#   t**ree" would become a token, and the vocabulary would fill with pairs of words. The pattern that cuts is
#   `r" ?\S+"`: a space if there is one, then everything up to the next white space. Line ends and second spaces are
#   dropped here; GPT-2 keeps them (lesson 03);
# - `<|endoftext|>` separates the documents of a training text. It is a **special token**, not text: cut there, and
#   count none of its letters.
#
# Your `merge` helps. `count_pairs` takes words as text, but after the first merge they are lists of ids, so count the
# pairs in those.
#
# Stuck? As in lesson 01: `check.hint("train")`, again for a stronger hint, `check.solution("train")` for the solution.

# %% exercise="train"

# %%
check(train)

# %% [markdown]
# What does it learn from a text that repeats itself? The tokens, in order:

# %%
rhyme = """Peter Piper picked a peck of pickled peppers.
A peck of pickled peppers Peter Piper picked.
If Peter Piper picked a peck of pickled peppers,
where's the peck of pickled peppers that Peter Piper picked?"""
ranks = train(rhyme, 256 + 24)
print([token.decode() for token in sorted(ranks, key=ranks.get)[256:]])

# %% [markdown]
# First pairs of letters, then ` pick` from ` p` and `ick`, and at the end whole words. Nobody told it what a word is
# made of.
#
# Note what a vocabulary is: a dict from tokens to ids, in the order in which they were found. The id of a token is
# therefore also its **rank**: the lower, the earlier it was merged.
#
# ## Where 50,257 comes from
#
# GPT-2's trainer did the same on a great deal of English text from the web, and stopped after 50,000 merges:

# %%
n_bytes = sum(len(token) == 1 for token in gpt2.ranks)
n_special = len(gpt2.special_tokens)
print(
    f"{n_bytes} bytes + {gpt2.n_vocab - n_bytes - n_special:,} merges + {n_special} special token = {gpt2.n_vocab:,}"
)
print(gpt2.special_tokens)

# %% [markdown]
# The storyteller's vocabulary is smaller, and shows what it has read. Its first merges, its last ones, and its
# longest tokens:

# %%
tokens = sorted(lm.tokenizer.ranks, key=lm.tokenizer.ranks.get)
print(f"{lm.tokenizer.n_vocab:,} tokens")
print("first  ", [token.decode() for token in tokens[256:272]])
print("last   ", [token.decode() for token in tokens[-8:]])
print("longest", [token.decode() for token in sorted(tokens, key=len)[-8:]])

# %% [markdown]
# ## From text to ids
#
# Training is done once. How does a new text become ids? By the same merges in the same order: begin with single bytes;
# of all neighbours that together form a token, join the two whose token has the *lowest rank*; repeat; stop when no two
# neighbours form a token.
#
# Here is the whole history of one word. Each box is a merge with its rank, the tokens are on top:

# %%
merge_tree(derivation(gpt2, "unbelievable"), gpt2.whole, "GPT-2 merges 'unbelievable'")

# %% [markdown]
# The lowest rank is 293, `le`, so it goes first, although it is at the end. `bel`, though farther left, comes only
# after six merges: its rank is 6667.
#
# ## Exercise 4: `encode`
#
# Encode one piece of text, such as a word with its space. `ranks` has all tokens with their ids, the bytes included.

# %% exercise="encode"

# %%
check(encode)

# %% [markdown]
# Your function with GPT-2's own 50,256 tokens (all but the special one) gives GPT-2's own ids. (If the vocabulary is
# not on your machine, the project has the few hundred tokens that the texts of these lessons need: a token can only
# appear where its bytes occur in the piece.)

# %%
for piece in ("Unbelievable", " tokenization", " powers", " 🚀"):
    found = encode(piece.encode(), gpt2.ranks)
    print(f"{piece!r:16} {found}  the same as in GPT-2: {found == gpt2.encode(piece)}")

# %% [markdown]
# Nothing can be unknown: what no merge joins stays a byte, and every byte is a token. Of the rocket's four bytes, two
# were merged with the space before it; the others stayed single. (Their ids are 248 and 222, not 154 and 128: GPT-2
# numbers the 256 bytes in an order of its own, printable ones first, so that `!` is 0. Your `train` uses the plain
# order.) **Decoding** is easy: concatenate the bytes of the tokens.

# %%
ids = gpt2.encode("Unbelievable tokenization powers! 🚀")
print(ids)
print(gpt2.decode_bytes(ids))
print(gpt2.decode(ids))

# %% [markdown]
# ## Why by rank, and not the longest?
#
# You could instead take, from the left, the longest token that fits. That often gives a different result:


# %%
def longest_first(piece, ranks):
    parts = []
    while piece:
        end = next(n for n in range(len(piece), 0, -1) if piece[:n] in ranks)
        parts.append(piece[:end].decode())
        piece = piece[end:]
    return parts


for word in (" goldsmith", " breakfast", " seaside"):
    by_rank = [lm.tokenizer.decode([i]) for i in encode(word.encode(), lm.tokenizer.ranks)]
    print(f"by rank {by_rank!s:30} longest first {longest_first(word.encode(), lm.tokenizer.ranks)}")

# %% [markdown]
# For *seaside*, longest first looks even better. But all the text that the model learnt from was cut by rank. There
# *seaside* was always *se*, *as*, *ide*, and *sea*, *side* in a row meant something else, if it occurred at all. A
# model must be given the tokens that it was trained on: tokenizer and model belong together.
#
# And since ranks come from counting, the cuts follow frequency, not meaning. You might guess that *LLMs* is cut before
# the plural *s*. Look: each line is one merge, with its rank and the pieces after it:

# %%
for rank, parts in gpt2.trace(" LLMs")[0][1]:
    print(f"{rank:6}  {[part.decode() for part in parts]}")

# %% [markdown]
# `M` and `s` were joined at rank 10128, and after that no `M` was left for an `LLM`: *Ms* is frequent in English, *LLM*
# was not a word when GPT-2 was made.
#
# ## Two relatives in miniature
#
# BPE is one of three methods that you will meet.
#
# **WordPiece** (BERT), as it is usually described, merges not the most frequent pair but the one that is *surprisingly*
# frequent: its count is divided by the counts of its two parts. Parts that are frequent anyway, such as *e*, get less
# of a chance:

# %%
single = Counter()
for word, times in words.items():
    for byte in word.encode():
        single[byte] += times
score = {pair: n / (single[pair[0]] * single[pair[1]]) for pair, n in counts.items()}
most = min(counts, key=lambda pair: (-counts[pair], pair))
print("BPE merges first      ", bytes(most).decode())
print("WordPiece merges first", bytes(max(score, key=score.get)).decode())

# %% [markdown]
# `i` and `d` occur only in *widest*, always together: 3 / (3 · 3); `es` has 9 / (17 · 9).
#
# WordPiece encodes by taking the longest token that fits, as above; `##` marks a token that continues a word. If
# nothing fits, the whole word is `[UNK]`. With the right vocabulary it finds the nice parts from above:


# %%
def wordpiece(word, vocabulary):
    parts = []
    while word:
        mark = "##" if parts else ""
        end = next((n for n in range(len(word), 0, -1) if mark + word[:n] in vocabulary), None)
        if end is None:
            return ["[UNK]"]
        parts.append(mark + word[:end])
        word = word[end:]
    return parts


print(
    wordpiece("unbelievable", {"un", "##believ", "##able"}),
    wordpiece("unbelief", {"un", "##believ", "##able"}),
)

# %% [markdown]
# **Unigram** goes the other way: it begins with far too many tokens, each with a probability, and removes those that
# the text can best do without. A text is cut so that the product of the probabilities is largest: below, `▁un` `able`
# has 0.02 · 0.04 = 0.0008, which is more than `▁` `un` `able` with 0.1 · 0.03 · 0.04 = 0.00012.
#
# The best cut of a word is a last token after the best cut of what comes before it. So keep the best cut of each
# prefix, short ones first:


# %%
def unigram(word, probability):
    best = {0: (1.0, [])}  # for each length of a prefix: the probability of its best cut, and the cut
    for end in range(1, len(word) + 1):
        found = [
            (best[start][0] * probability[word[start:end]], [*best[start][1], word[start:end]])
            for start in best
            if word[start:end] in probability
        ]
        if found:
            best[end] = max(found)
    return best[len(word)]


print(
    unigram(
        "▁unable",
        {"▁": 0.1, "▁un": 0.02, "un": 0.03, "able": 0.04, "a": 0.08, "ble": 0.01, "▁una": 0.001},
    )
)

# %% [markdown]
# `▁` stands for a space: **SentencePiece** writes it this way. SentencePiece is not another method but a library: it
# trains BPE or Unigram on a text that is not first cut into words, which suits languages written without spaces.
#
# All three side by side (BERT, T5 and BART are other well-known models):
#
# | | vocabulary by | a text is cut | unknown | used by |
# |---|---|---|---|---|
# | **BPE** on bytes | merging the most frequent pair | by rank | never | GPT-2, GPT-4, BART |
# | **WordPiece** | merging the most surprising pair | longest first | `[UNK]` | BERT |
# | **Unigram** (in SentencePiece) | removing tokens | most probable | `<unk>` | T5 |
#
# ## What vocabulary files say
#
# One more thing, in case you look into GPT-2's files. They are text, and many bytes cannot be printed, so each of
# those is written as a printable character: the space as `Ġ`, a line end as `Ċ`. Other libraries print tokens in this
# form, too, for example transformers' `convert_ids_to_tokens`:

# %%
from tokenizer.display import show

print(show(gpt2, gpt2.encode("Unbelievable tokenization powers! 🚀"), raw=True))

# %% [markdown]
# ## The same in the project
#
# The trainer, `tokenizer/training.py`: count, merge, count again. It numbers the bytes as GPT-2 does (`BYTES` has them
# in that order), so ties may be broken differently from yours; its *n* counts merges, yours counts tokens.
#
# Then the merges of one piece, `tokenizer/merging.py`, step by step, as the picture above shows them; the tokenizer
# that looks up the results is `tokenizer/bpe.py`. The project also has fast versions of these, which count only what a
# merge has changed; its tests check that they give the same results.

# %%
from tokenizer.merging import merge_steps
from tokenizer.training import find_merges, replace_pair

source(find_merges)
print()
source(merge_steps)

# %% [markdown]
# ## Five questions
#
# Decide before you unfold the code or *the answer*.

# %%
quiz(
    "How often did the trainer of GPT-2's vocabulary merge a pair?",
    ["50,257 times", "50,256 times", "50,000 times", "256 times"],
    f"{gpt2.n_vocab - 256 - len(gpt2.special_tokens):,} times",
    "256 bytes and one special token need no merge",
)

# %%
quiz(
    "The pair (1, 1) is replaced by 9. What becomes of 1, 1, 1, 1, 1?",
    ["9, 9, 9, 9", "9, 9, 1", "1, 9, 9", "9, 1, 9"],
    ", ".join(map(str, replace_pair([1, 1, 1, 1, 1], (1, 1), 9))),
    "from the left, and what is merged is gone",
)

# %%
some = {b"a": 0, b"b": 1, b"c": 2, b"bc": 3, b"ca": 4, b"ab": 5}
quiz(
    "The tokens a, b, c, bc, ca, ab have the ids 0, 1, 2, 3, 4, 5. How is the piece abca encoded?",
    ["5, 4", "0, 1, 4", "5, 2, 0", "0, 3, 0"],
    ", ".join(str(some[token]) for token in list(merge_steps(b"abca", some))[-1][1]),
    "bc has the lowest rank of ab, bc and ca; after that merge no two neighbours form a token",
)

# %%
quiz(
    'A tokenizer begins with bytes. How many pairs are there to count in the word "né"?',
    [2, 1, 3, 0],
    len(list(pairwise("né".encode()))),
    "n is one byte and é is two, so there are three bytes, and two pairs of neighbours",
)

# %%
unseen = "zxqv"
quiz(
    f'GPT-2 is given "{unseen}", a word in no language. What does it do?',
    [
        "it gives the id of [UNK]",
        "it cuts it into known tokens",
        "it takes the id of the most similar word",
        "it raises an error",
    ],
    "it cuts it into known tokens"
    if all(bytes([b]) in gpt2.ranks for b in unseen.encode())
    else "it raises an error",
    "every byte is a token, so at worst there is one id for each byte",
)
