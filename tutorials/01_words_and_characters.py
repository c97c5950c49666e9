# %% [markdown]
# # 01 · Words and characters: how does text become numbers?
#
# *Thirty-five minutes. You need Python, and nothing else.*
#
# A language model multiplies and adds numbers. It has never seen a letter. So before anything else can happen, text
# must become numbers, and at the end numbers must become text again. How this is done decides what a model can
# read, how much of it at once, and at what price.
#
# You will write two **tokenizers** here, one for words and one for characters, and see what each of them loses.
# Lesson 02 then builds the tokenizer of GPT-2, a language model from 2019 that anyone can download. But first: what
# are the numbers for?
#
# Run the cells from top to bottom, each with Shift+Enter; this first one loads what the lesson needs. Where a cell
# raises `NotImplementedError("your turn")`, replace that line with your own code. The first line printed may say that
# GPT-2's weights are missing; this lesson does not need them. The outputs that you see before you run anything are from
# a finished run; only those of the checks are missing until you run them.

# %%
import minigpt
from minigpt import check
from minigpt.exercises.lesson import quiz, ready, source
from minigpt.exercises.official import official
from minigpt.pictures.cuts import text_cuts

ready()
lm = minigpt.load("storyteller", device="cpu")

# %% [markdown]
# ## What a language model is
#
# A **language model** is a function. A text goes in; out comes, for each piece that could come next, how likely it
# is. That is all it does.
#
# `lm` is a small one that comes with this project, the *storyteller*. It has read fairy tales. What does it expect
# after "The king had three"?

# %%
for next_one in lm.next_tokens("The king had three", k=5):  # k=5: the five likeliest
    print(f"{next_one.text!r:>12}  {next_one.probability:.1%}")
everything = lm.next_tokens("The king had three", k=lm.model.config.vocab_size)
print(
    f"with the other {len(everything) - 5:,}, all together {sum(one.probability for one in everything):.0%}"
)

# %% [markdown]
# These numbers are **probabilities**: of every 100 texts that start like this, the model expects about 15 to go on
# with *sons*. (The space before each word belongs to it: what comes next is a space and a word. A piece need not be a
# word: below, `,` is a piece, too.)
#
# A function that says what comes next can write: add the likeliest piece to the end of the text, and ask again.

# %%
text = "The king had three"
for _ in range(8):
    text += lm.next_tokens(text, k=1)[0].text
    print(text)

# %% [markdown]
# This is called **completion**, and the way the next piece is picked is called **decoding** (lesson 09; taking the
# likeliest is the simplest way, not the best). A chat assistant writes its answers in the same way.
#
# The function is a **neural network**: it consists almost entirely of additions and multiplications with fixed numbers,
# its **parameters**, which were found in **training**. The *large* in "large language model" means very many of them.

# %%
n_parameters = sum(part.numel() for part in lm.model.parameters())  # numel: how many numbers it holds
print(f"{n_parameters:,} in the storyteller; the smallest GPT-2 has 124 million")

# %% [markdown]
# ## Where the parameters come from
#
# | stage | what the model gets | what it learns |
# |---|---|---|
# | **pre-training** | a great deal of plain text | to say what comes next |
# | **post-training** | questions with good answers; which of several answers people prefer | to answer; to decline |
#
# *Pre-training* needs no one to write down the right answers: the next word of the text **is** the right answer.
# This is why it can use so much text. (It is often called unsupervised; self-supervised is more accurate.) What comes
# out is a *base model* or *foundation model*, such as GPT-2. Lesson 14 trains one.
#
# *Post-training* continues from there with far fewer, selected examples. A first step, **fine-tuning**, is the same
# training on conversations. In a second step the model is moved toward the answers that people prefer (usually called
# RLHF), or that another model prefers in their place (as in *constitutional AI*). What comes out is a chat model.
# Putting some examples into the text that goes in, the *prompt* ("few-shot"), is neither of these: no parameter
# changes. Lesson 11 compares the two kinds of models.
#
# Our storyteller has had only pre-training. Ask it something, and it does what it has learnt: it continues the text.

# %%
# 25 pieces, then it stops, even in mid-sentence; temperature 0: always the likeliest piece
answer = lm.generate("What is 2+2?", max_new_tokens=25, temperature=0)
print("What is 2+2?" + answer.text)

# %% [markdown]
# ## Tokens, ids, vocabulary
#
# Now to the numbers. To turn text into numbers, you must cut it into pieces and number the pieces:
#
# - a piece is a **token**;
# - the list of all possible tokens is the **vocabulary**; it is fixed before training;
# - a token's position in that list, counted from 0, is its **id**;
# - to **encode** is to turn a text into a list of ids, to **decode** is to turn ids back into text;
# - what does both is a **tokenizer**.
#
# The ids carry no meaning: 7 is not more than 6, only one place further down a list. Lesson 04 shows what a model does
# with an id.
#
# There are three places to cut: between words, between characters, or somewhere in between. We try them in turn.
#
# ## Words
#
# The obvious piece is the word: whatever comes between spaces. Here is a tiny collection of texts, a **corpus**, from
# which we build the vocabulary:

# %%
corpus = [
    "The quick brown fox jumps over the lazy dog",
    "Tokenization converts text to numbers",
    "Large language models predict the next token",
]
words = sorted({word for line in corpus for word in line.lower().split()})
print(len(words), words)

# %% [markdown]
# Lower case, so that *The* and *the* are one word; a set, so that each counts once; sorted, so that the ids are the
# same tomorrow (the order of a set is not).
#
# Before the words come two **special tokens**, which stand for no word:
#
# - `[PAD]`, id 0, fills up short texts (we come to it below);
# - `[UNK]`, id 1, *unknown*, stands for every word that is not in the vocabulary.
#
# ## Exercise 1: `WordTokenizer`
#
# Fill in the three methods. The docstring of the class says what is wanted; `check` tells you whether your code does
# it, and if not, what is wrong. `split()` without an argument cuts at any white space.
#
# Stuck? `check.hint("WordTokenizer")` gives a hint; call it again for a stronger one. `check.solution("WordTokenizer")`
# shows the solution; without the quotes, `check.solution(WordTokenizer)` shows it next to your code, line by line. To
# go on without solving the exercise, paste the solution in: the cells below use it.

# %% exercise="WordTokenizer"

# %%
check(WordTokenizer)

# %% [markdown]
# Your tokenizer at work, on a sentence with a word that is not in the corpus:

# %%
mine = WordTokenizer(corpus)
ids = mine.encode("The brown unicorn jumps")
print("ids    ", ids)
print("decoded", mine.decode(ids))
print("all    ", [mine.decode([i]) for i in range(2, 2 + len(words))])

# %% [markdown]
# 17 is *the*, 2 is *brown*, 6 is *jumps*. There are 21 tokens: 19 words and the two special ones. And *unicorn* is
# gone. The id 1 says that there was a word, but not which:

# %%
for sentence in ("The brown unicorn jumps", "the brown kangaroo   JUMPS", "The dog!", "the dogs"):
    print(f"{sentence!r:29} {mine.encode(sentence)!s:14} {mine.decode(mine.encode(sentence))!r}")

# %% [markdown]
# Two different sentences have the same ids, so no decoder can tell them apart. The capital letters and the spaces
# are lost, too. And since a word is whatever comes between spaces, *dog!* is not *dog*, and *dogs* is a different word
# altogether.
#
# Three sentences are a small corpus. Does it get better with more? Let the storyteller write three stories. We encode
# the last one, with the words from half of the first story, from all of it, and from the first two:

# %%
# 200 pieces each; the seed picks one of the many stories that it could tell
starts = ("There was a poor", "The wolf came", "The old king")
first, second, last = (start + lm.generate(start, max_new_tokens=200, seed=3).text for start in starts)
print(first[:70], second[:70], last[:70], sep=" …\n", end=" …\n\n")
for name, text in {
    "half a story": first[: len(first) // 2],
    "a story": first,
    "two stories": f"{first} {second}",
}.items():
    ids = WordTokenizer([text]).encode(last)
    n_words = len(set(text.lower().split()))
    print(
        f"{name:12} {n_words:4} different words; unknown in the last story: {ids.count(1) / len(ids):.0%}"
    )

# %% [markdown]
# This is the **out-of-vocabulary problem**. A larger corpus makes it smaller but the vocabulary larger, and the problem
# never goes away: there are always new names, new words and typing errors.
#
# ## What `[PAD]` is for
#
# Models process several texts at once, a **batch**, as a table of numbers, one row per text. All rows of a table have
# the same length. So the shorter rows are filled up with `[PAD]`, and a second table, the **attention mask**, says
# which ids count (1) and which are only padding (0); lesson 05 explains its name. `decode` leaves the padding out:

# %%
batch = [mine.encode(line) for line in ("The lazy dog", "Large language models predict text")]
longest = max(len(row) for row in batch)
padded = [row + [0] * (longest - len(row)) for row in batch]
mask = [[1] * len(row) + [0] * (longest - len(row)) for row in batch]
print(padded, mask, [mine.decode(row) for row in padded], sep="\n")

# %% [markdown]
# ## Characters
#
# If there are too many words, take something of which there are few: letters. English has 26, twice that with capitals,
# and with `[PAD]` and `[UNK]` in front the vocabulary seems complete for ever:

# %%
from string import ascii_lowercase, ascii_uppercase

letters = ascii_lowercase + ascii_uppercase
print(len(letters), letters)

# %% [markdown]
# ## Exercise 2: `CharTokenizer`
#
# The same three methods, for characters. Nothing is converted to lower case this time, and `decode` puts nothing
# between the characters.

# %% exercise="CharTokenizer"

# %%
check(CharTokenizer)

# %%
chars = CharTokenizer()
print(chars.encode("Hello"), chars.decode([35, 6, 13, 13, 16]))

# %% [markdown]
# *Hello* becomes five ids; both *l*s have the same one. As a word it would have been one id.
#
# You will read elsewhere that with characters nothing is ever unknown. Is that so?

# %%
ids = chars.encode("Hello, world! 🚀")
print(ids, chars.decode(ids), sep="\n")

# %% [markdown]
# Comma, space, exclamation mark and rocket are all `[UNK]`: they are not in *this* list of 54. It is the list that
# decides, not the method. And a list of all characters is long: Unicode, the list that computers use, has room for
# more than a million, and new ones are added nearly every year.
#
# There is a way out. When text is stored or sent as UTF-8, every character is one to four **bytes**, numbers from 0 to
# 255. There are 256 possible bytes, and there will never be more:

# %%
import sys

print(f"Unicode has room for {sys.maxunicode + 1:,} characters")
for character in ("H", "é", "人", "🚀"):
    print(character, list(character.encode()))

# %% [markdown]
# With bytes as tokens, 256 ids are enough for every text in every language, and nothing is unknown. GPT-2 begins
# with exactly these.
#
# ## The price: length
#
# Then why not stop here? Because of length. Here is one sentence cut in three ways: by your two tokenizers (the word
# tokenizer gets a slightly kinder corpus) and by GPT-2's own, for which you have to wait until lesson 02. Each box is a
# token, with its id below; a dot is a space.

# %%
sentence = "Unbelievable tokenization powers! 🚀"
kind = WordTokenizer([*corpus, "unbelievable powers"])
gpt2 = official("gpt2")  # GPT-2's tokenizer


def cut(name, ids, decode):
    return name, [decode([i]) for i in ids], ids


text_cuts(
    [
        cut("words", kind.encode(sentence), kind.decode),
        cut("characters", chars.encode(sentence), chars.decode),
        cut("GPT-2", gpt2.encode(sentence), gpt2.decode_bytes),
    ],
    "One sentence cut three ways",
)

# %% [markdown]
# Words make few tokens, but *powers!* with its exclamation mark is unknown, and so is the rocket. Characters make 35.
# GPT-2 is in between, and nothing is unknown: the boxes in < > are the bytes of the rocket, with that of the space
# before it, written in hexadecimal (f0 is 240, 9a is 154: the rocket's bytes from above). The id of a single byte is
# not the byte itself; lesson 02 says why.
#
# Length matters for two reasons. A model reads a limited number of tokens at once, its **context**: 512 for the
# storyteller, 1,024 for GPT-2. And each token looks at itself and at all those before it (lesson 05). That makes
# 1 + 2 + … + n looks for n tokens, which is n · (n + 1) / 2, and about four times as many for twice as many tokens:
# compare the last two lines below. If you pay for a model by the token, you pay for length, too.

# %%
text = "The future of artificial intelligence will involve"
n_ctx = lm.model.config.n_ctx
lengths = {
    "words": len(text.split()),
    "GPT-2's tokens": len(gpt2.encode(text)),
    "bytes": len(text.encode()),
}
lengths["bytes, text twice"] = 2 * lengths["bytes"]
for name, n in lengths.items():
    print(
        f"{n:3} {name:17}  {n * (n + 1) // 2:5,} looks; a context of {n_ctx} holds that {n_ctx // n:2} times"
    )

# %% [markdown]
# ## What we have
#
# | | for it | against it |
# |---|---|---|
# | **words** | short lists of ids; a token means something | endless vocabulary; unknown words |
# | **characters** | a tiny vocabulary, or hardly anything unknown: not both | long lists; a token alone means nothing |
# | **bytes** | 256 tokens; nothing unknown, in any language | as long in English, longer in most languages |
# | **subwords** (lesson 02) | frequent words whole, rare ones in parts | must be learnt from text; some cuts look odd |
#
# ## The same in the project
#
# The project has both tokenizers, for comparison, in `tokenizer/simple.py`. Here is the one for words. (`string` and
# `look_up` check what comes in, and `Ids` is a list of ids or anything like it; yours needs no checks.)

# %%
import tokenizer

source(tokenizer.WordTokenizer.encode)
source(tokenizer.WordTokenizer.decode)

# %% [markdown]
# Now that your own tokenizers pass the check, they agree with the project's:

# %%
ours, theirs = CharTokenizer(), tokenizer.CharTokenizer()
print(ours.encode("A fox"), theirs.encode("A fox"), theirs.n_vocab)

# %% [markdown]
# ## Five questions
#
# Decide before you unfold the code or *the answer*.

# %%
tok = tokenizer.WordTokenizer(["A cat", "a dog"])
quiz(
    'How many tokens are in the vocabulary of a WordTokenizer whose corpus is "A cat" and "a dog"?',
    [3, 4, 5, 6],
    tok.n_vocab,
    "a, cat and dog, since A and a are one word; and the two special tokens",
)

# %%
tok = tokenizer.WordTokenizer(corpus)
there_and_back = tok.decode(tok.encode("The  LAZY cat"))
quiz(
    'What comes back when "The  LAZY cat" is encoded and decoded with the words of our corpus?',
    ["The  LAZY cat", "The LAZY [UNK]", "the lazy [UNK]", "the lazy"],
    there_and_back,
    "everything is in lower case, there is one space between words, and cat is not in the corpus",
)

# %%
tok = tokenizer.WordTokenizer(corpus)
pairs = {
    "fox": "Fox",
    "fox jumps": "fox over",
    "a unicorn": "a kangaroo",
    "quick brown fox": "lazy brown fox",
}
quiz(
    "Which two texts have the same ids, although they are about different things?",
    [f"{one} / {two}" for one, two in list(pairs.items())[1:]],
    next(
        f"{a} / {b}"
        for a, b in pairs.items()
        if a.lower() != b.lower() and tok.encode(a) == tok.encode(b)
    ),
    "neither unicorn nor kangaroo is in the vocabulary, so both are [UNK]",
)

# %%
tok = tokenizer.WordTokenizer(corpus)
longer = len(tokenizer.CharTokenizer().encode("next token")) / len(tok.encode("next token"))
quiz(
    'By characters, "next token" has how many times as many ids as by words?',
    ["2", "4.5", "10", "5"],
    f"{longer:g}",
    "ten characters, of which the space is one, and two words",
)

# %%
quiz(
    "Three texts of 3, 5 and 4 tokens become one batch. How many [PAD] tokens does it need?",
    [5, 3, 12, 15],
    sum(5 - n for n in (3, 5, 4)),
    "all are filled up to the longest, which has 5: two, none and one",
)
