# %% [markdown]
# # 03 · tiktoken and newer vocabularies: what do 100,277 tokens buy?
#
# *Forty minutes. You need lesson 02: merges, ranks, `encode` of one piece.*
#
# GPT-2's vocabulary is from 2019, and the first GPT-3 still used it. The one of GPT-3.5 and GPT-4, `cl100k_base`, has
# twice as many tokens. You would think that it makes every text shorter. Some become shorter, some do not, and there
# are reasons for both.
#
# Lesson 02 left out two parts of a tokenizer: where a text is cut *before* any merge, and special tokens. You will
# write both.

# %%
import re

import regex

import minigpt
from minigpt import check
from minigpt.exercises.lesson import quiz, ready, source
from minigpt.exercises.official import official
from minigpt.pictures.cuts import text_cuts
from tokenizer import CL100K_PATTERN, GPT2_PATTERN

ready()
lm = minigpt.load("storyteller", device="cpu")
gpt2, cl100k = official("gpt2"), official("cl100k_base")
print(f"GPT-2 {gpt2.n_vocab:,}, cl100k_base {cl100k.n_vocab:,}")

# %% [markdown]
# (If these vocabularies are not on your machine, the project has the part of them that the texts of this lesson need.
# For texts of your own, `tokenizer.Tokenizer.load("cl100k_base")` fetches the whole vocabulary.)
#
# ## tiktoken
#
# `tiktoken` is OpenAI's library for tokenizing: byte-pair encoding as you have written it, but in Rust and therefore
# fast. What it calls an *encoding* is a name and the three things that a tokenizer consists of: a pattern for the first
# cut, the ranks, the special tokens. If it is installed here, we give it ours and compare:

# %%
text = "Unbelievable tokenization powers! 🚀"
try:
    import tiktoken
except ImportError:
    print("tiktoken is not installed here")
else:
    for name, tok in {"gpt2": gpt2, "cl100k_base": cl100k}.items():
        theirs = tiktoken.Encoding(
            name,
            pat_str=tok.pattern,
            mergeable_ranks=dict(tok.ranks),
            special_tokens=dict(tok.special_tokens),
        )
        print(
            f"{name:11} {theirs.encode(text)}, the same as ours: {theirs.encode(text) == tok.encode(text)}"
        )

# %% [markdown]
# ## One sentence in two vocabularies

# %%
star = "The 🌟 star-player scored 40 points!"
both = {"GPT-2": gpt2, "cl100k_base": cl100k}
text_cuts(
    [
        (name, [tok.decode_bytes([i]) for i in tok.encode(star)], tok.encode(star))
        for name, tok in both.items()
    ],
    "One sentence in two vocabularies",
)

# %% [markdown]
# Eleven tokens in both! You may read elsewhere that the newer vocabulary needs fewer for this very sentence. It saves
# one, with `-player`, and loses one: the space before *40* is now a token of its own. Neither has to do with the size
# of the vocabulary: the *pattern* is different.
#
# ## The cut before the merges
#
# If any part of a text could be merged, *dog*, *dog!*, *dog.* and *dog,* would each become a token, and fill the
# vocabulary with the same word. So a text is first cut into **pieces**, and no merge crosses a cut. In lesson 02 a
# piece was a word with its space. Real tokenizers use a **regular expression**, a pattern of text: a list of rules
# with `|`, *or*, between them. At each position in the text, the first rule that matches takes as much as it can.
# GPT-2 has six:

# %%
rules = [
    r"'(?:[sdmt]|ll|ve|re)",  # the end of a contraction: 's 'd 'm 't 'll 've 're
    r" ?\p{L}+",  # letters, with one space before them if there is one
    r" ?\p{N}+",  # numbers, likewise
    r" ?[^\s\p{L}\p{N}]+",  # anything else except white space, likewise
    r"\s+(?!\S)",  # white space, except its last character if something follows
    r"\s+",  # white space
]
print("|".join(rules) == GPT2_PATTERN)
print(regex.findall(GPT2_PATTERN, "The dog's 2 dogs,  40 dogs!"))

# %% [markdown]
# The last rule but one, `\s+(?!\S)`, takes as many spaces as it can, and one fewer if something else follows. Of the
# two spaces before *40* it takes the first; the second is left for ` 40`. The symbols:
#
# | in a pattern | means |
# |---|---|
# | `\p{L}`, `\p{N}`, `\s` | a letter, a digit or other number, white space (space, line end, tab), in any script |
# | `\S` | any character except white space |
# | `[…]`, `[^…]` | one of these; one that is none of these |
# | `x?`, `x+`, `x*`, `x{1,3}` | x or nothing; one x or more; none or more; one to three |
# | `(?:…)` | all this as a unit: `(?:ab)+` is ab, abab, … (for `(ab)` `findall` would return the group alone) |
# | `(?!\S)` | here, but only if no `\S` follows |
# | `(?i:…)` | in upper or lower case |
#
# ## Exercise 1: `split`
#
# Cut a text with either pattern. Python's own `re` does not know `\p{L}`; the package `regex` does, and its `findall`
# gives all pieces in order. You already have GPT-2's rules; those of cl100k_base you write yourself, from their
# description.

# %% exercise="split"

# %%
check(split)

# %% [markdown]
# The newer pattern, and what both make of one text. Each piece is in quotes, a line end is `\n`:

# %%
print(CL100K_PATTERN, "\n")
tricky = "We'll see: IT'S 12345678, isn't it?\n\n  Yes!"
for pattern in ("gpt2", "cl100k_base"):
    print(f"{pattern:11} {split(tricky, pattern)}")

# %% [markdown]
# - `'S`: GPT-2 knows contractions only in lower case. In capitals it cuts the apostrophe off, so *IT'S* has little in
#   common with *it's*.
# - Numbers: GPT-2 takes all digits at once, and then merges whatever was frequent. cl100k_base takes three at a time,
#   from the left, without the space.
# - Line ends: cl100k_base keeps them together with the punctuation before them.

# %%
for number in ("1234567", "12345 + 678 = 13023"):
    for name, tok in both.items():
        print(f"{number:20} {name:12} {[tok.decode([i]) for i in tok.encode(number)]}")
print()
for name, tok in both.items():
    ids = tok.encode("strawberry")
    print(f"{'strawberry':20} {name:12} {[tok.decode([i]) for i in ids]!s:26} the model gets {ids}")

# %% [markdown]
# This is one reason why models are poor at long sums: they do not see digits, and which digits go together depends
# on the number. It is also why they are poor at spelling. How many *r*s are in 301, 1831, 8396?
#
# ## Which texts become shorter?
#
# Here is how many tokens some texts have in each vocabulary:

# %%
code = "def even(n):\n    if n % 2 == 0:\n        return True\n    return False\n"
samples = {
    "Python code": code,
    "capitals": "TOKENIZATION",
    "a word": "unbelievable",
    "the same in a sentence": " unbelievable",
    "a question": "What is 2+2?",
    "a prompt": "The future of artificial intelligence will involve",
    "another": "When using LLMs,",
    "a family emoji": "👨‍👩‍👧",
}
print(f"{'':22}  GPT-2  cl100k_base")
for what, text in samples.items():
    old, new = len(gpt2.encode(text)), len(cl100k.encode(text))
    print(f"{what:22} {old:6} {new:12}  {'fewer' if new < old else 'more' if new > old else ''}")

# %% [markdown]
# Code gains a lot: to GPT-2 nearly every space of an indentation is a token, while cl100k_base has tokens for many
# spaces at once. English prose gains little, since its words were tokens already. And some texts become *longer*: a
# different pattern cuts them elsewhere, and the two vocabularies were learnt from different texts.

# %%
print([gpt2.decode([i]) for i in gpt2.encode(code)][:22])
print([cl100k.decode([i]) for i in cl100k.encode(code)][:15])
for name, tok in both.items():
    ids = tok.encode("When using LLMs,")
    print(f"{name:12} {[tok.decode([i]) for i in ids]}  {ids}")

# %% [markdown]
# ## Five languages
#
# The first sentence of Article 1 of the Universal Declaration of Human Rights says the same in every language. How
# many tokens does it take?

# %%
rights = {
    "English": "All human beings are born free and equal in dignity and rights.",
    "German": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "Chinese": "人人生而自由，在尊严和权利上一律平等。",
}
for name, tok in both.items():
    english = len(tok.encode(rights["English"]))
    print(f"\n{name:12} tokens  per character  against English")
    for language, text in rights.items():
        n = len(tok.encode(text))
        print(f"{language:12} {n:6} {n / len(text):14.2f} {n / english:14.1f} ×  {'▇' * round(n / 3)}")

# %% [markdown]
# *This* is what 100,277 tokens buy: other languages. But not equality: the Hindi sentence still takes more than six
# times as many tokens as the English one. If you write Hindi, you pay more for the same, and fit less into the context.
#
# More than one token per character means that characters are cut into bytes. Here is the first Hindi word, whose
# three characters (the last is a vowel sign) have three bytes each:

# %%
from tokenizer.display import compare

start = rights["Hindi"].split()[0]
print(start, len(start), "characters,", len(start.encode()), "bytes")
print(compare(start, both))

# %% [markdown]
# ## Why is one emoji three ids?
#
# A star is one character, but four bytes, and most emoji were too rare to be merged. So its tokens are parts of a
# character; decoded alone, a part shows as �:

# %%
ids = gpt2.encode(" 🌟")
for i in ids:
    data = gpt2.decode_bytes([i])
    print(f"{i:6}  bytes {data.hex(' '):9}  decoded alone {gpt2.decode([i])!r}")
print(repr(gpt2.decode(ids)))

# %% [markdown]
# The four bytes and the space before them are three tokens: space, `f0` and `9f` were merged, since most emoji begin
# with these two bytes. So never decode token by token and join the texts. A program that shows a text while it is being
# written must wait until a character is complete; the project's `StreamDecoder` does:

# %%
from tokenizer import StreamDecoder

stream = StreamDecoder(gpt2)
print([stream.push(i) for i in gpt2.encode(star)])
print(["👨‍👩‍👧", *"👨‍👩‍👧"], len("👨‍👩‍👧".encode()), "bytes")

# %% [markdown]
# And what looks like one emoji, as in the last line, can be several characters: the family is three people and two
# invisible joiners, 18 bytes in all. cl100k_base cuts it into 13 tokens, as in the table above.
#
# ## Ids mean nothing without their vocabulary
#
# The first 256 ids, the single bytes, are the same in both. They are not in numerical order: those that can be printed
# come first, so that id 0 is `!`. After that, the two lists differ:

# %%
print(all(gpt2.decode_bytes([i]) == cl100k.decode_bytes([i]) for i in range(256)))
for name, tok in both.items():
    print(f"{name:12}", [(tok.decode([i]), i) for i in (0, 1, 2, 198, 50256)])
question = gpt2.encode("What is 2+2?")
print(question, "to the storyteller is", repr(lm.tokenizer.decode(question)))

# %% [markdown]
# 50256 is `<|endoftext|>` in one vocabulary, and `parable` in the other. And a wrong tokenizer need not raise an error.
# If the ids happen to be small enough, as here (the storyteller's go up to 4,095), the storyteller would read GPT-2's
# ids as a text, but not as yours. (`+`, `2` and `?` are right, since single bytes have the same ids in both.)
#
# ## Special tokens
#
# `<|endoftext|>` is not text. It is a mark between the documents of the training text: *here something new begins*. A
# model that outputs it says: I have finished. A model that gets it and nothing else begins a text of its own:

# %%
print(lm.tokenizer.special_tokens)
for seed in (1, 2):
    print(repr(lm.generate("", max_new_tokens=16, seed=seed).text))  # an empty prompt is <|endoftext|>

# %% [markdown]
# Now suppose that a user types the characters `<|endoftext|>`. Is this the special token? It must not be, or anyone
# could end a document and, in a chat (lesson 11), speak as the assistant. So it is plain text, unless the *program*
# allows it:

# %%
for name, tok in both.items():
    plain, special = tok.encode("<|endoftext|>"), tok.encode("<|endoftext|>", allow_special="all")
    print(f"{name:12} plain {plain}, allowed {special}")

# %% [markdown]
# ## Exercise 2: `encode_special`
#
# Here the bytes of plain text are its ids, so that you can concentrate on the special tokens. Find the allowed ones,
# wherever they occur, even inside a word. If two fit, the longer one counts. In a pattern `|` means *or*: if you build
# a pattern from names, `re.escape` each of them.

# %% exercise="encode_special"

# %%
check(encode_special)

# %% [markdown]
# Here are all special tokens of cl100k_base; those with `fim`, *fill in the middle*, are for models that complete code
# between two given parts. The other tokens have the ids from 0 to 100,255. Which ids up to the last one are unused?

# %%
print(cl100k.special_tokens)
special = set(cl100k.special_tokens.values())
unused = sorted(set(range(100_256, max(special))) - special)
print(f"{len(unused)} unused: {unused[0]:,}, and from {unused[1]:,} to {unused[-1]:,}")
print(f"{max(special) + 1:,} ids, {max(special) + 1 - len(unused):,} tokens")

# %% [markdown]
# So 100,277 is not the number of tokens but the largest id plus one: the number of rows that a model needs.
#
# ## What a larger vocabulary costs
#
# A model holds a row of numbers for each token, its *embedding* (lesson 04). In the smallest GPT-2 a row has 768
# numbers, and the whole model 124 million:

# %%
everything_else = 124_439_808 - gpt2.n_vocab * 768  # the rest of the smallest GPT-2
for name, tok in both.items():
    n = tok.n_vocab * 768
    print(
        f"{name:12} {tok.n_vocab:7,} × 768 = {n:10,} numbers, {n / (n + everything_else):.0%} of the model"
    )
n = (
    cl100k.n_vocab * 12_288
)  # the largest GPT-3 has rows of 12,288 numbers, and 175 billion numbers in all
print(f"GPT-3 with cl100k_base: {n:,} numbers, {n / 175e9:.1%} of the model")

# %% [markdown]
# For a model a thousand times as large as the smallest GPT-2 this hardly matters, as the last line shows, so newer
# vocabularies are larger.
#
# Rare tokens have another cost: a row that is hardly ever used is hardly ever trained. One token of GPT-2's vocabulary
# is the name of a user of a web forum; models of that time behaved strangely when they read it (Rumbelow and Watkins
# 2023). The newer vocabulary does not have it:

# %%
for name, tok in both.items():
    print(f"{name:12} {[tok.decode([i]) for i in tok.encode(' SolidGoldMagikarp')]}")

# %% [markdown]
# ## The same in the project
#
# The patterns are in `tokenizer/patterns.py`, part by part; `tokenizer/splitting.py` cuts texts by them.
#
# Below is the encoder of the text between special tokens: cut it into pieces, merge the bytes of each, look up the ids.
# `self.whole` is the dict from tokens to ids; this `merge` takes a piece and the ranks, and is not your `merge` from
# lesson 02.

# %%
from tokenizer import Tokenizer

source(Tokenizer.encode_by_hand)

# %% [markdown]
# ## Your own texts
#
# Try emoji, code, other languages, your name. The storyteller's vocabulary is always available. If one of the others is
# not, the error says how to fetch it. In the terminal, `minigpt tokens "any text"` does the same.

# %%
print(compare("The 🌟 star-player scored 40 points!", both | {"the storyteller": lm.tokenizer}))

# %% [markdown]
# ## What we have
#
# - **Words** are simple, but new ones are unknown; **bytes** leave nothing unknown, but make texts long; **byte-pair
#   encoding** is in between, and is what nearly all language models use.
# - A tokenizer is a pattern, ranks and special tokens. Everything odd about it comes from one of these.
# - A model's context and price are measured in tokens, and how many tokens a text has depends on its language and kind.
#
# ## Five questions
#
# Decide before you unfold the code or *the answer*.

# %%
parts = [len(gpt2.decode_bytes([i])) for i in gpt2.encode("🌟")]
quiz(
    "🌟 without a space before it is four bytes, and three ids in GPT-2. How many bytes does each token have, in order?",
    ["1, 1, 2", "1, 2, 1", "2, 1, 1", "4, 0, 0"],
    ", ".join(map(str, parts)),
    "f0 9f, with which most emoji begin, is frequent enough to be a token",
)

# %%
quiz(
    "How does cl100k_base cut the number 1234567?",
    ["1, 234, 567", "123, 456, 7", "1234567", "123, 45, 67"],
    ", ".join(cl100k.decode([i]) for i in cl100k.encode("1234567")),
    "up to three digits at a time, from the left",
)

# %%
more = [
    t
    for t in ("When using LLMs,", code, rights["German"])
    if len(cl100k.encode(t)) > len(gpt2.encode(t))
]
quiz(
    "Which text has more tokens in cl100k_base than in GPT-2's vocabulary?",
    [
        "the Python function",
        "the sentence in German",
        "none: the vocabulary is larger",
        "the prompt about LLMs",
    ],
    "the prompt about LLMs" if more == ["When using LLMs,"] else "none: the vocabulary is larger",
    "GPT-2 has the tokens LL and Ms, cl100k_base cuts L, LM, s",
)

# %%
quiz(
    'A user types "<|endoftext|>" in a program that allows no special tokens. How many tokens is that in GPT-2?',
    [1, 13, 7, 0],
    len(gpt2.encode("<|endoftext|>")),
    "it is plain text: <, |, end, of, text, |, >",
)

# %%
quiz(
    "By how much would the smallest GPT-2 grow with the vocabulary of cl100k_base?",
    ["50,020 numbers", "38 million numbers", "77 million numbers", "768 numbers"],
    f"{(cl100k.n_vocab - gpt2.n_vocab) * 768 // 10**6} million numbers",
    "50,020 more rows of 768 numbers each",
)
