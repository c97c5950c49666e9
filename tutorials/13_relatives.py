# %% [markdown]
# # 13 · Relatives: BERT, BART, T5: what changes when the mask goes?
#
# *Fifty-five minutes. You need lessons 05, 06 and 07; 10 helps.*
#
# GPT-2 has three famous relatives. They are made of the parts that you know: tables, attention, norms, MLPs. What makes
# them a different kind of model is mostly one thing: **who may look at whom**. BERT removed the causal mask, and lost
# the ability to write. BART and T5 regained it with a second stack, and a third kind of attention between the two.
#
# You will write BERT's layer, cross-attention, and T5's relative positions. And you will train a model without a mask
# for a few seconds, to see exactly what goes wrong.

# %%
import copy
import math
import re
from itertools import zip_longest

import torch
from torch import Tensor, nn

import minigpt
from minigpt import check
from minigpt.exercises.lesson import quiz, ready, source
from minigpt.models.attention import Attention, Softmax, merge_heads, split_heads
from minigpt.models.bart import Bart, BartConfig, BartLayer
from minigpt.models.bert import Bert, BertConfig
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.layers import Dropout, LayerNorm, Linear, gelu
from minigpt.models.relative import relative_bucket
from minigpt.models.t5 import T5, T5Config
from minigpt.models.variants.activations import exact_gelu
from minigpt.pictures.attention import attention_head
from minigpt.pictures.curves import curves
from minigpt.pictures.masks import Mask, mask_panels
from tokenizer.unigram import best_pieces
from tokenizer.wordpiece import WordPiece, split_words
from tokenizer.wordpiece_training import train_wordpiece
from weights.fetch.locate import local

ready()
lm = minigpt.load("storyteller", device="cpu")

# %% [markdown]
# ## Four trees
#
# All four, at the sizes of their best-known checkpoints: `gpt2`, `bert-base-uncased`, `facebook/bart-base`, `t5-small`.
# As in lesson 07 the device "meta" gives tensors that have shapes but no numbers. `tree` prints the parts that hold
# numbers; of the layers of a stack, which are all alike, it prints only one.


# %%
def tree(module: nn.Module, depth: int = 0) -> list[str]:
    lines = []
    for name, child in module.named_children():
        if isinstance(child, (Dropout, Attention, Softmax)):  # no numbers in them
            continue
        what = f"{type(child).__name__} {child.extra_repr()}"
        if isinstance(child, nn.ModuleList):
            what, child = f"{len(child)} x {type(child[0]).__name__}", child[0]
        lines += [f"{'  ' * depth}{name}: {what}", *tree(child, depth + 1)]
    return lines


def side_by_side(left: list[str], right: list[str], width: int) -> None:
    for a, b in zip_longest(left, right, fillvalue=""):
        print(f"{a:{width}}{b}".rstrip())


# %%
with torch.device("meta"):
    gpt2, bert, bart, t5 = GPT2(GPT2Config()), Bert(BertConfig()), Bart(BartConfig()), T5(T5Config())
side_by_side(["GPT-2", *tree(gpt2)], ["BERT", *tree(bert)], 50)

# %% [markdown]
# One stack each, twelve layers, 768 channels. What is new in BERT:
#
# | here | in transformers' tree | what it is |
# |---|---|---|
# | `token_type_embeddings` | the same | a row for the first of two texts, one for the second: below |
# | `embeddings_norm` | `(embeddings) … (LayerNorm)` | the sum of the three rows is normalized, eps 1e-12 |
# | `query`, `key`, `value`, `output` | `(self)`, then `(output) (dense)` | like `c_attn` and `c_proj`, but separate |
# | `attention_norm`, `output_norm` | two more `(LayerNorm)` | **after** each part: post-norm |
# | no `ln_f` | none | the last layer ends with a norm anyway |
# | `pooler` | `(pooler) (dense)` | a vector for the whole text, made of its first token's |
# | `transform`, `transform_norm` | `cls`, in models with it, such as `BertForMaskedLM` | predicts a hidden token |

# %%
side_by_side(["BART", *tree(bart)], ["T5", *tree(t5)], 56)

# %% [markdown]
# Two stacks each. The **encoder** reads a text; its output is called the **memory**. The **decoder** writes another
# text. Its layers have a third part, `encoder_attn` or `cross_attn`, with which they look at the memory.
#
# BART is BERT and GPT-2 joined: it kept learned positions, post-norm and the biases. (Its table has two more rows than
# positions, which are never used: its authors counted from 2.) T5 changed more: no position table, a norm without mean
# and bias, no bias anywhere, no division by √D. transformers calls the same parts `SelfAttention`,
# `EncDecAttention`, `DenseReluDense`, and prints `relative_attention_bias` in the first block, where we have
# `encoder_bias` outside the blocks, since all of them share it.
#
# ## Where are the numbers?

# %%
PARTS = {  # the first pattern that a parameter's name matches says where it belongs
    "cross-attention": r"encoder_attn\.|cross_attn\.",
    "norms": r"norm|ln_",
    "tables": r"^(wte|wpe|shared|\w+_embeddings)|embed_positions",
    "positions by distance": r"^(encoder|decoder)_bias",
    "self-attention": r"self_attn\.|attn\.|attention\.",
    "MLPs": r"mlp\.|fc[12]\.|layer\.\d+\.(intermediate|output)\.",
    "pooler, heads": r"",
}
relatives = {"GPT-2": gpt2, "BERT": bert, "BART": bart, "T5": t5}
counts = {name: dict.fromkeys(PARTS, 0) for name in relatives}
for name, model in relatives.items():
    for parameter, value in model.named_parameters():
        part = next(part for part, pattern in PARTS.items() if re.search(pattern, parameter))
        counts[name][part] += value.numel()
print(f"{'':24}" + "".join(f"{name:>14}" for name in relatives))
for part in PARTS:
    print(f"{part:24}" + "".join(f"{counts[name][part]:14,}" for name in relatives))
totals = {name: sum(c.values()) for name, c in counts.items()}
print(f"{'all':24}" + "".join(f"{total:14,}" for total in totals.values()))

# %% [markdown]
# The figures usually given, 110, 140 and 60 million, are these, rounded. At the same width BART's two stacks of six
# layers need about as many numbers as one stack of twelve: a third attention in six layers is all that is new. T5's 512
# numbers for positions are no misprint; the last exercise is about them. Two of the heads' parts are bare vectors,
# which `tree` does not print: BERT's `predictions_bias` and BART's `final_logits_bias`, one number for each token of
# the vocabulary.
#
# ## Who sees whom? Try it
#
# You need not trust a diagram. We make a small random model of each kind, change token 5, and see whether the
# output at position 3 changes (positions count from 0: token 5 is the last of six). Random numbers will do: what cannot
# be seen cannot be seen whatever the weights are. `hidden` gives the vectors after the last layer, `encode` the memory,
# `decode` the vectors of a decoder that reads a memory.

# %%
torch.manual_seed(0)
sizes = {"vocab_size": 50, "n_layer": 2, "n_head": 2, "n_embd": 16, "n_inner": 32}
small_gpt2, small_bert = GPT2(GPT2Config(n_ctx=16, **sizes)), Bert(BertConfig(n_ctx=16, **sizes))
small_bart = Bart(BartConfig(n_ctx=16, n_decoder_layer=2, **sizes))
small_t5 = T5(T5Config(n_decoder_layer=2, head_dim=8, n_buckets=8, max_distance=16, **sizes))
for model in (small_gpt2, small_bert, small_bart, small_t5):
    model.double().eval().requires_grad_(False)

other = torch.tensor([[7, 21, 3, 48, 11, 30]])  # the text of the other stack, which stays the same
runs = {
    "GPT-2": small_gpt2.hidden,
    "BERT": small_bert.hidden,
    "BART's encoder": small_bart.encode,
    "BART's decoder, its own text": lambda ids: small_bart.decode(ids, small_bart.encode(other)),
    "BART's decoder, the text it reads": lambda ids: small_bart.decode(other, small_bart.encode(ids)),
    "T5's encoder": small_t5.encode,
    "T5's decoder, its own text": lambda ids: small_t5.decode(ids, small_t5.encode(other)),
    "T5's decoder, the text it reads": lambda ids: small_t5.decode(other, small_t5.encode(ids)),
}
six = torch.tensor([[4, 8, 15, 16, 23, 42]])


# %%
def change(run, place: int) -> Tensor:  # by how much each position's output changes, (T,)
    changed = six.clone()
    changed[0, place] += 1
    return (run(changed) - run(six)).abs().amax(dim=-1)[0]


for name, run in runs.items():
    by = change(run, place=5)[3].item()
    print(f"{name:34} position 3 {'changes' if by > 1e-9 else 'stays the same'}")

# %% [markdown]
# The same for every pair of positions gives the masks, measured. GPT-2's is **causal**: each token sees itself and the
# past. BERT has none at all: it is **bidirectional**. A decoder with a memory has both: it sees its own text causally,
# and the text it reads as a whole. The encoders of BART and T5 come out like BERT. (The words are only labels, as if
# BART were translating into German; the ids are random.)

# %%
words = ["the", "old", "king", "had", "three", "sons"]
written = ["der", "alte", "König", "hatte", "drei", "Söhne"]
NOTES = {
    "GPT-2": ("What comes later cannot change what came before,", "so the text can be continued."),
    "BERT": ("Everything depends on everything: a text must be", "there, whole, before one reads it."),
    "BART's decoder, its own text": ("It is written as GPT-2 writes,", "token by token."),
    "BART's decoder, the text it reads": ("Rows: what is written.", "Columns: what is read."),
}
KINDS = ["decoder-only", "encoder-only", "encoder-decoder", "encoder-decoder"]
ROWS, COLUMNS = [words, words, written, written], [words, words, written, words]
measured = {}
for name in NOTES:
    columns = [change(runs[name], place) > 1e-9 for place in range(6)]
    measured[name] = torch.stack(columns, dim=1).tolist()  # (T, T): a row for each output
masks = [
    Mask(name, kind, NOTES[name], rows, columns, measured[name])
    for name, kind, rows, columns in zip(NOTES, KINDS, ROWS, COLUMNS, strict=True)
]
mask_panels(masks, "Which change reaches which output, in three random models")

# %% [markdown]
# One often reads that attention finds out whether "bank" is at a river or full of money. GPT-2's can do so only from
# what comes **before** the word. Here is the storyteller's vector of *bank* in two texts that continue differently, and
# that of a (random) BERT:

# %%
river = lm.encode("He went to the bank of the river.")
money = lm.encode("He went to the bank with his money.")
place = len(lm.encode("He went to the bank")) - 1
assert river[: place + 1] == money[: place + 1]
torch.manual_seed(0)
random_bert = Bert(BertConfig(4096, n_layer=2, n_head=4, n_embd=64, n_inner=128))
for name, model in (("the storyteller", lm.model), ("a random BERT", random_bert)):
    with torch.no_grad():
        one, two = (model.hidden(torch.tensor([text]))[0, place] for text in (river, money))
    print(f"{name:16} the two vectors of 'bank' differ by up to {(one - two).abs().max():.4f}")

# %% [markdown]
# ## Exercise 1: `BertLayer`
#
# GPT-2's block with three changes:
#
# 1. **No causal mask.** Only the padding mask remains: the texts of a batch are filled up to one length with `[PAD]`,
#    and nothing may look there. `mask` is True where there is a token, (B, 1, 1, T), so that it holds for all heads and
#    all queries. (Lesson 05's `future` was True where one may *not* look; here that is `~mask`.)
# 2. **Post-norm.** GPT-2 computes `x + part(norm(x))`, BERT `norm(x + part(x))`, as the first transformer did: the sum
#    is normalized, and the normalized sum is passed on.
# 3. **The exact GELU**, `nn.functional.gelu`; GPT-2's tanh form is an approximation of it. The two differ by very
#    little:

# %%
x = torch.linspace(-5, 5, 2001)
print(f"the two GELUs differ by at most {(gelu(x) - exact_gelu(x)).abs().max():.5f}")

# %% [markdown]
# `attention` holds four linear layers, `self.attention["query"]` and so on; `split_heads(t, D)` and `merge_heads` are
# steps 2 and 4 of lesson 05.

# %% exercise="BertLayer"

# %%
check(BertLayer)

# %% [markdown]
# Its parameters have the same names as the project's, so a BERT can take your layers as its own. Here is the small one
# from above, with your layers in it and the same numbers:

# %%
mine = Bert(small_bert.config).double().eval()
mine.layer = nn.ModuleList(BertLayer(mine.config) for _ in mine.layer).double()
print(mine.load_state_dict(small_bert.state_dict()))
with torch.no_grad():
    print("the same vectors:", torch.allclose(mine.hidden(six), small_bert.hidden(six)))

# %% [markdown]
# What does post-norm do to the residual stream? After each layer every vector has been normalized. (Lesson 06: in GPT-2
# the stream is not, so it can grow.) Here is the mean length of the vectors after each layer, in the storyteller and in
# a random stack of six of your layers:

# %%
torch.manual_seed(0)
config = BertConfig(n_layer=6, n_head=8, n_embd=256, n_inner=1024)
layers = nn.ModuleList(BertLayer(config) for _ in range(6)).requires_grad_(False)
for weight in layers.parameters():
    if weight.ndim == 2:
        weight.normal_(std=0.05)
story = torch.tensor([lm.encode("Once upon a time there was a king who had three sons")])
with minigpt.record(lm.model) as seen, torch.no_grad():
    lm.model(story)
x = seen["h.0.in"]
for n in range(6):
    after = seen[f"h.{n + 1}.in"] if n < 5 else seen["h.5.out"]
    x = layers[n](x, torch.ones(1, 1, 1, x.shape[1], dtype=torch.bool))
    lengths = (after.norm(dim=-1).mean(), x.norm(dim=-1).mean())
    print(f"after layer {n}: the storyteller {lengths[0]:6.1f}   post-norm {lengths[1]:5.1f}")
print(f"√C is {256**0.5:.1f}: 256 channels with mean 0 and variance 1 have just this length;")
print("a trained BERT's weights and biases change it")

# %% [markdown]
# Now padding: a text alone, then the same text beside a longer one, with the mask and without:

# %%
alone = torch.tensor([[4, 8, 15]])
padded = torch.tensor([[4, 8, 15, 0, 0], [16, 23, 42, 4, 8]])
real = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
wanted = small_bert.hidden(alone)[0]
for name, mask in (("with the mask", real), ("without", None)):
    found = small_bert.hidden(padded, mask)[0, :3]
    print(f"{name:14} the vectors of the short text are the same: {torch.allclose(found, wanted)}")

# %% [markdown]
# ## Why BERT cannot write
#
# GPT-2 learns to predict the next token, at every position at once. What if a model without the causal mask learns the
# same? Take two models with one of your layers each, and the letters of a fairy tale instead of tokens. They differ in
# nothing but the mask. (Lesson 14 explains training. Here it is enough that `learned` looks 200 times at 16 pieces of
# the tale, and moves all numbers a little so that the **loss** falls: how wrong the predictions are, as in lesson 07.)

# %%
TALE = (
    "In olden times when wishing still helped one, there lived a king whose daughters were all "
    "beautiful, but the youngest was so beautiful that the sun itself, which has seen so much, "
    "was astonished whenever it shone in her face. Close by the king's castle lay a great dark "
    "forest, and under an old lime-tree in the forest was a well, and when the day was very "
    "warm, the king's child went out into the forest and sat down by the side of the cool "
    "fountain, and when she was bored she took a golden ball, and threw it up on high and "
    "caught it, and this ball was her favorite plaything. "
)
letters = sorted(set(TALE))
tale = torch.tensor([letters.index(letter) for letter in TALE])
T, C = 16, 64


# %%
class Letters(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(len(letters), C), nn.Embedding(T, C)
        self.layer = BertLayer(BertConfig(len(letters), T, 2, 1, 4, C, 2 * C))
        self.head = nn.Linear(C, len(letters))
        for weight in self.layer.parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.1)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1])
        x = self.wte(ids) + self.wpe(places)
        return self.head(self.layer(x, mask[None, None]))


def learned(mask: Tensor) -> tuple[Letters, float]:
    torch.manual_seed(0)
    model = Letters().double()  # float64, to keep rounding out of it
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(200):
        starts = torch.randint(0, len(tale) - T, (16, 1))
        text = tale[starts + torch.arange(T + 1)]  # T letters, and each one's next
        scores = model(text[:, :-1], mask).flatten(0, 1)
        loss = nn.functional.cross_entropy(scores, text[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.requires_grad_(False), loss.item()


# %%
all_seen = torch.ones(T, T, dtype=torch.bool)
allowed = {"causal mask": all_seen.tril(), "no mask": all_seen}
trained = {name: (mask, *learned(mask)) for name, mask in allowed.items()}
for name, (_, _, loss) in trained.items():
    print(f"{name:12} loss in training {loss:.2f}")

# %% [markdown]
# Without a mask the loss is far better! Now let both write: the next letter, again and again, when the future does not
# exist yet. We also measure their loss on the letter after 4, 8, 12 and 15 letters of the tale, with nothing after
# them. Each letter is written from the last 12. This window is shorter than the T = 16 of training: the last position
# never saw its next letter, so there even the model without a mask had to learn honestly.

# %%
for name, (mask, model, _) in trained.items():
    losses = []
    for n in (4, 8, 12, 15):
        text = tale[torch.arange(len(tale) - T)[:, None] + torch.arange(n + 1)]
        scores = model(text[:, :n], mask[:n, :n])[:, -1]
        losses.append(nn.functional.cross_entropy(scores, text[:, n]).item())
    text = "In olden times "
    for _ in range(45):
        window = torch.tensor([[letters.index(letter) for letter in text[-12:]]])
        n = window.shape[1]
        text += letters[model(window, mask[:n, :n])[0, -1].argmax()]
    print(f"{name:12} loss when it writes {sum(losses) / 4:.2f}   {text!r}")
print(f"knowing nothing gives a loss of ln {len(letters)} = {math.log(len(letters)):.2f}")

# %% [markdown]
# It learned to **copy**: the next letter is right there, one place to the right, and the model looked. Is that so?
# Random letters are no tale, and nothing in them can be predicted. A model that gets them right has looked:

# %%
noise = torch.randint(0, len(letters), (500, T + 1), generator=torch.Generator().manual_seed(1))
for name, (mask, model, _) in trained.items():
    named = model(noise[:, :-1], mask).argmax(dim=-1)[:, :-1]  # the last place sees no next letter
    print(f"{name:12} {(named == noise[:, 1:-1]).double().mean():4.0%} of random letters predicted")
print(f"by chance    {1 / len(letters):4.0%}")

# %% [markdown]
# When it writes, there is nothing to copy, and it is worse than a model that knows nothing. This is why a model that
# reads both sides needs another task, and here the four differ once more. This is what each gets to read in training,
# and what it has to say:

# %%
print(
    "GPT-2  reads  the   old   king  had    three  sons",
    "       says   old   king  had   three  sons   <|endoftext|>   each place the next token",
    "BERT   reads  [CLS] the old [MASK] had three sons [SEP]",
    "       says                 king                              only what is hidden (15 %)",
    "BART   reads  <s> the old <mask> three sons </s>              one mask, however many are hidden",
    "       writes <s> the old king had three sons </s>            the whole text",
    "T5     reads  the old <extra_id_0> three <extra_id_1> </s>    numbered gaps",
    "       writes <extra_id_0> king had <extra_id_1> sons <extra_id_2> </s>    the gaps alone",
    sep="\n",
)

# %% [markdown]
# (Devlin et al. 2019, section 3.1; Lewis et al. 2020, section 2.2; Raffel et al. 2020, section 3.1.4. Of the tokens
# that BERT must predict, a tenth are left as they are and a tenth are replaced by random ones, since `[MASK]` never
# appears in use.)
#
# A BERT in miniature comes with the project: three of your kind of layer, trained for a few minutes on fairy tales. Of
# the hidden words in tales that it has not seen, its first guess is right for a quarter; always guessing *the* would be
# right for a tenth. This is what it says for a gap, and how sure it is:

# %%
mini = minigpt.load_relative("mini-bert", device="cpu")
trained_layers = nn.ModuleList(BertLayer(mini.model.config) for _ in mini.model.layer)
trained_layers.load_state_dict(mini.model.layer.state_dict())
mini.model.layer = trained_layers  # your layers do the reading
for text in (
    "Once upon a [MASK] there was a king.",
    "Once upon a [MASK].",
    "He [MASK] to the king.",
    "He [MASK] a king.",
):
    best = ", ".join(f"{filling.token} {filling.probability:.0%}" for filling in mini.fill_mask(text, 4))
    print(f"{text:38}{best}")

# %% [markdown]
# In each pair the text before the gap is the same; what comes **after** it changes the answer. GPT-2 could not do that.
#
# BERT can be made to fill in one mask after another, which is slow and gives poor text; it never learned to predict the
# next token. What it is good at is reading: each vector depends on the whole text.
#
# ## Two texts in one
#
# To ask whether one sentence answers another, BERT gets both in one input, and a third table: one row for the tokens of
# the first, one for those of the second (**segments**). The rows of all three tables are added, in `hidden`:

# %%
source(Bert.hidden)

# %% [markdown]
# The tokenizer says which token belongs to which text. BERT's tokens are **WordPieces**. They are trained by merging
# pairs as in lesson 02, but the pair chosen is the one that occurs most often *relative to how often its parts occur*:
# a rare "daught" comes before a frequent "the". Cutting needs no merges: it always takes the longest piece of the
# vocabulary, from the left; `##` marks a piece that continues a word.

# %%
print(split_words("The King's child, ÉLODIE!"))  # lower case, no accents, punctuation apart
for n in (160, 300):
    wordpiece = WordPiece(train_wordpiece(split_words(TALE), n))
    print(n, *wordpiece.tokenize("The youngest daughter threw the golden ball."))
print(wordpiece.tokenize("the golden zebra"))  # the tale has no z: the whole word is unknown
ids, segments = wordpiece.wrap(wordpiece.encode("the king"), wordpiece.encode("her castle"))
for row in ([wordpiece.tokens[id] for id in ids], segments):
    print("".join(f"{item!s:9}" for item in row).rstrip())

# %% [markdown]
# Lesson 02 asked why merges are replayed by rank and not by length. BERT does cut by length, and that works, too: what
# matters is that texts are cut in use as they were in training.
#
# ## Exercise 2: `CrossAttention`
#
# Now the part between the two stacks. It is attention as you know it, except that queries and keys come from different
# texts. The decoder's x, (B, T, C), makes the **queries**; the memory, (B, S, C), makes the **keys and values**. So the
# scores are (B, H, T, S), and there is no future in a text that has already been read: no causal mask. Names and scale
# are BART's; T5 does not scale.

# %% exercise="CrossAttention"

# %%
check(CrossAttention)

# %% [markdown]
# This is where it belongs, in each layer of BART's decoder: after self-attention, before the MLP. Its keys and values
# come from outside, since they are the same for every token written: computed once, as in the cache of lesson 10.

# %%
source(BartLayer)

# %% [markdown]
# ## Two that read and write
#
# A T5 and a BART in miniature come with the project as well, trained like the BERT above. For each numbered gap, T5
# writes what is missing there, and nothing else:

# %%
mini_t5 = minigpt.load_relative("mini-t5", device="cpu")
for text in (
    "He <extra_id_0> to the king.",
    "He <extra_id_0> a king.",
    "He went <extra_id_0> the wood and <extra_id_1> a little house.",
):
    written = mini_t5.generate(text, max_new_tokens=20).ids
    print(text, "\n   ->", " ".join(mini_t5.tokenizer.tokens[id] for id in written))

# %% [markdown]
# BART writes the whole text again. What if it could not look at the memory? Here is a copy of it whose cross-attention
# adds nothing:

# %%
mini_bart = minigpt.load_relative("mini-bart", device="cpu")
deaf = copy.deepcopy(mini_bart)
with torch.no_grad():
    for parameter in deaf.model.decoder.layers[0].encoder_attn.out_proj.parameters():
        parameter.zero_()
for text in ("Once upon a <mask> there was a king.", "He did not know what <mask> do."):
    for name, model in (("BART", mini_bart), ("deaf", deaf)):
        print(f"{name}  {model.generate(text, max_new_tokens=16).text}")

# %% [markdown]
# A decoder that cannot look is a small GPT-2: it writes a text, but not about what it was given.
#
# Where does BART look while it writes? Here is your `CrossAttention` with the trained numbers, and the attention that
# its queries and keys give for the second text. There is a row for each token that is written next, a column for each
# that was read; the weights are the mean of the four heads:

# %%
cross = mini_bart.model.decoder.layers[0].encoder_attn
mine = CrossAttention(mini_bart.model.config)
print(mine.load_state_dict(cross.state_dict()))
text = "He did not know what <mask> do."
encode, spell = mini_bart.tokenizer.encode, mini_bart.tokenizer.decode
read = [*mini_bart.before, *encode(text, allow_special="all"), *mini_bart.after]
wrote = mini_bart.generate(text, max_new_tokens=16).ids
asked = []
hook = cross.register_forward_pre_hook(lambda _, inputs: asked.append(inputs[0]))
with torch.no_grad():
    memory = mini_bart.model.encode(torch.tensor([read]))
    mini_bart.model.decode(torch.tensor([[2, *wrote[:-1]]]), memory)  # 2, </s>, is what BART starts from
    hook.remove()
    q, k = (split_heads(t, mine.head_dim) for t in (mine.q_proj(asked[0]), mine.k_proj(memory)))
    weights = (q @ k.transpose(-2, -1) / math.sqrt(mine.head_dim)).softmax(dim=-1)  # (1, H, T, S)
attention_head(
    [spell([id]) for id in wrote],
    weights[0].mean(dim=0).tolist(),
    "BART's cross-attention",
    keys=[spell([id]) for id in read],
)

# %% [markdown]
# It has learned to follow the text it reads, token by token: nobody told it that the two texts have anything to do with
# each other. In translation, for which cross-attention was invented (Bahdanau et al. 2014), such a picture shows which
# word became which.
#
# It is often said that such models are expensive because they run two full stacks for every task. Let us count: while
# BART writes ten tokens, how often does each stack run?


# %%
def calls(text: Tensor, n_new: int) -> dict[str, int]:  # how often each stack runs
    found = {"encoder": 0, "decoder": 0}

    def count(which: str):
        def hook(*_: object) -> None:
            found[which] += 1

        return hook

    hooks = [
        small_bart.encoder.layers[0].register_forward_hook(count("encoder")),
        small_bart.decoder.layers[0].register_forward_hook(count("decoder")),
    ]
    memory = small_bart.encode(text)
    written = torch.tensor([[2]])
    for _ in range(n_new):
        newest = small_bart.unembed(small_bart.decode(written, memory))[:, -1].argmax(
            dim=-1, keepdim=True
        )
        written = torch.cat([written, newest], dim=1)
    for hook in hooks:
        hook.remove()
    return found


print(calls(six, n_new=10))

# %% [markdown]
# And what does a token cost? With a cache, one product with each matrix of the stack that writes, and one with the
# table for the logits. The matrices that make keys and values of the memory are needed once per token that is read, so
# they count as reading. In millions of multiplications, at the official sizes, without attention's own sums:


# %%
def matrices(module: nn.Module, without: str = r"$^") -> int:
    linear = {name: m for name, m in module.named_modules() if isinstance(m, Linear)}
    return sum(m.weight.numel() for name, m in linear.items() if not re.search(without, name))


KEYS_VALUES = r"encoder_attn\.[kv]_proj|cross_attn\.[kv]$"
for name, reads, writes, table in (
    ("GPT-2", gpt2.h, gpt2.h, gpt2.wte),
    ("BERT", bert.layer, None, None),
    ("BART", bart.encoder, bart.decoder, bart.shared),
    ("T5", t5.encoder, t5.decoder, t5.shared),
):
    read, write = matrices(reads), "    –"
    if writes:
        each = matrices(writes, without=KEYS_VALUES)
        read += matrices(writes) - each
        write = f"{(each + table.weight.numel()) / 1e6:5.1f}"
    print(f"{name:6} to read a token {read / 1e6:5.1f}   to write one {write}")

# %% [markdown]
# At the same width BART writes a token for less than GPT-2, since only its six decoder layers run. What is true is that
# there are two stacks to train and to keep in memory.
#
# ## Exercise 3: `relative_bias`
#
# Attention knows no order (lesson 05). GPT-2, BERT and BART add a vector for each position, from a table of fixed
# length: no text can be longer. T5 adds nothing to the tokens. It adds a number to each **score**, which depends only
# on the distance between two positions and on the head. So a head can learn "the one before" once, for all positions.
#
# One number for each distance would be too many, so distances are sorted into buckets: near ones have one each, far
# ones share, in wider and wider buckets. In an encoder half of the buckets are for keys up to the query, half for keys
# after it. The official sizes are 32 buckets and 128 as the largest distance:

# %%
distances = torch.arange(-40, 41)
buckets = relative_bucket(distances, 32, 128, both_ways=True)
for n in (-40, -20, -9, -8, -7, -2, -1, 0, 1, 2, 9, 40):
    print(f"the key {n:4} places from the query: bucket {int(buckets[n + 40])}")

# %%
places = list(range(0, 201, 1))
before = relative_bucket(-torch.tensor(places), 32, 128, both_ways=True).tolist()
named = {"bucket of a key so many places before the query": before}
curves(places, named, "T5's buckets grow like the logarithm")

# %% [markdown]
# Your function gets the table (n_buckets, H) of learned numbers and returns the bias for T positions, (H, T, T). First
# compute the (T, T) distances: `place - place[:, None]`, the key's position minus the query's.
#
# With `half` buckets on a side and `near = half // 2`: a distance n < near is its own bucket; from there on it is
# near + floor((half - near) · log(n / near) / log(max_distance / near)), at most half - 1. Keys after the query get
# `half` more. (At the official sizes the last bucket begins at 91; bucket 16, "after, distance 0", is never used.)

# %% exercise="relative_bias"

# %%
check(relative_bias)

# %% [markdown]
# This is where it goes: `softmax(q kᵀ + bias)`, before the softmax, and the same bias in every block of a stack.
# T5-small's table has 32 · 8 numbers for each stack: all that an encoder knows of order (a decoder's causal mask tells
# it something, too). Without it the encoder sees a bag of words: shuffle the tokens, and the vectors come out shuffled
# in the same way. With it they change. And no text is too long:

# %%
table = small_t5.encoder_bias.weight
wanted = small_t5.encoder_bias(torch.arange(6)[None], n_slots=6)[0]
print("your bias is T5's:", torch.equal(relative_bias(6, table, max_distance=16), wanted))

order = [3, 1, 5, 0, 2, 4]
for name, factor in (("with the bias", 1), ("without", 0)):
    kept = table.clone()
    table.mul_(factor)
    same = torch.allclose(small_t5.encode(six[:, order]), small_t5.encode(six)[:, order])
    table.copy_(kept)
    print(f"{name:14} order does not matter: {same}")

long = torch.randint(0, 50, (1, 600), generator=torch.Generator().manual_seed(0))
print("T5 reads 600 tokens:", tuple(small_t5.encode(long).shape))
try:
    small_bart.encode(long)
except ValueError as error:
    print("BART:", error)

# %% [markdown]
# T5's tokenizer is a third kind, **Unigram** (Kudo 2018): each piece has a probability, and of all ways to cut a word
# the most probable one is taken; no merges, no longest match. The numbers are logarithms, so they add up. `▁` stands
# for a space (lesson 02); `longest` is the longest piece's length, `unknown` the score of a character that is no piece:

# %%
scores = {"▁hug": -2.0, "▁hu": -1.5, "gs": -1.0, "s": -0.8, "▁": -4.0, "h": -3.0, "u": -3.0, "g": -3.0}
print(best_pieces("▁hugs", scores, unknown=-13.0, longest=4))
for cut in (["▁hu", "gs"], ["▁hug", "s"], ["▁", "h", "u", "gs"]):
    print(f"{' + '.join(cut):16} {sum(scores[piece] for piece in cut):5.1f}")

# %% [markdown]
# ## What a reader is good for
#
# A BERT in our own code with real weights: all-MiniLM-L6-v2, six layers, trained on top of BERT's task so that texts
# with similar meanings get similar vectors (Reimers & Gurevych 2019). The vector of a text is the mean of its tokens'
# vectors, not the pooler's. Similarity is the cosine of the angle between two vectors: 1 for the same direction.

# %%
SENTENCES = [
    "The wolf swallowed the grandmother whole.",
    "A poor miller had a beautiful daughter.",
    "The king lived in a castle.",
    "The princess kissed the frog, and he became a prince.",
    "The stock market fell sharply today.",
    "How do I bake bread?",
]
QUESTIONS = [
    "A monarch dwelt in a fortress.",
    "A beast ate the old woman.",
    "What is the recipe for a loaf?",
]
RECORDED = [[2, 0.54, 0, 0.32], [0, 0.58, 3, 0.28], [5, 0.73, 0, 0.05]]  # the two nearest

# %%
if local("all-minilm-l6-v2"):
    reader = minigpt.load_relative("all-minilm-l6-v2", device="cpu")
    layers = nn.ModuleList(BertLayer(reader.model.config) for _ in reader.model.layer)
    layers.load_state_dict(reader.model.layer.state_dict())
    reader.model.layer = layers  # your layers do the reading
    print(reader)
    nearest = []
    for question in QUESTIONS:
        two = reader.similar(question, SENTENCES)[:2]
        nearest.append([item for one in two for item in (SENTENCES.index(one.text), one.cosine)])
else:
    print("MiniLM is not here: what follows was recorded by this cell on a machine that has it.")
    print("minigpt download all-minilm-l6-v2 fetches it (90 MB); then this cell computes.")
    nearest = RECORDED
for question, (first, cosine, second, less) in zip(QUESTIONS, nearest, strict=True):
    print(f"\n{question}\n  {cosine:.2f}  {SENTENCES[first]}\n  {less:.2f}  {SENTENCES[second]}")

# %% [markdown]
# Apart from *a* and *in*, no word of "A monarch dwelt in a fortress" occurs in "The king lived in a castle."
#
# ## Which one for what?
#
# | | GPT-2 | BERT | BART, T5 |
# |---|---|---|---|
# | kind | decoder-only | encoder-only | encoder-decoder |
# | stacks | one, reads and writes | one, reads | two: one reads, one writes |
# | attention | masked self-attention | unmasked self-attention | unmasked; masked and cross |
# | good for | continuing text | comparing, sorting, finding; gaps | one text into another: translation, summary |
# | against it | tokens know only what is before them | cannot write | two stacks to train and to keep |
# | slow at | writing: one token at a time | nothing: one pass | writing, like GPT-2 |
#
# Two things have changed since such tables were first drawn. Decoder-only models now write text nearly everywhere,
# translations too: the task goes into the prompt (lesson 11). And GPT-2 itself is no longer the best at anything.
# Encoders live on where vectors are wanted: in search.
#
# In short, what each is made of:

# %%
rows = {
    "layers": [f"{gpt2.config.n_layer}", f"{bert.config.n_layer}"]
    + [f"{m.config.n_layer} + {m.config.n_decoder_layer}" for m in (bart, t5)],
    "channels": [f"{m.config.n_embd}" for m in (gpt2, bert, bart, t5)],
    "places": [f"{m.config.n_ctx:,}" for m in (gpt2, bert, bart)] + ["any"],
    "vocabulary": [f"{m.config.vocab_size:,}" for m in (gpt2, bert, bart, t5)],
    "tokens": ["byte-level BPE", "WordPiece", "byte-level BPE", "Unigram"],
    "norm": ["before", "after", "after", "before, RMS"],
    "activation": ["GELU, tanh", "GELU", "GELU", "ReLU"],
    "scores": ["/ √D"] * 3 + ["as they are"],
    "parameters": [f"{totals[name] / 1e6:.0f} million" for name in relatives],
}
for name, row in {"": relatives, **rows}.items():
    print(f"{name:12}" + "".join(f"{item:16}" for item in row).rstrip())

# %% [markdown]
# ## The same in the project
#
# `minigpt/models/bert.py`, `bart.py` and `t5.py` are each complete, and in the order of `gpt2.py`; what they share with
# it is in `layers.py` and `attention.py`. The layer that you wrote:

# %%
source(minigpt.models.bert.BertLayer)

# %% [markdown]
# `minigpt/models/relative.py` has the buckets; `tokenizer/wordpiece.py` and `tokenizer/unigram.py` have the tokenizers;
# `weights/relatives.py` loads official files, and `minigpt.load_relative` makes them ready to use: `embed`, `similar`
# and `fill_mask` for a BERT, `generate` for a BART or T5. `tests/parity` compares all of them with transformers, layer
# by layer.
#
# ## Five questions
#
# Decide before you unfold the code or *the answer*.

# %%
stays = [name for name in runs if change(runs[name], 5)[3] <= 1e-9]
asked = ["BERT", "T5's encoder", "BART's decoder, the text it reads", "T5's decoder, its own text"]
quiz(
    "Token 5 changes. Whose output at position 3 stays the same?",
    asked,
    next(name for name in asked if name in stays),
    "a decoder sees its own text causally, as GPT-2; encoders and cross-attention see everything",
)

# %%
quiz(
    "How many numbers tell T5-small's encoder about places?",
    [256, 512, 262_144, 524_288],
    t5.encoder_bias.weight.numel(),
    "32 buckets, 8 heads; GPT-2's table has 786,432",
)

# %%
with torch.device("meta"):
    without = Bart(BartConfig())
    for layer in without.decoder.layers:
        del layer.encoder_attn, layer.encoder_attn_layer_norm
removed = totals["BART"] - sum(p.numel() for p in without.parameters())
quiz(
    "BART-base loses its cross-attention. What is left is built like a model that could …",
    [
        "go on with a text, as GPT-2 does",
        "translate a text",
        "summarize a text that the encoder has read",
        "do nothing at all",
    ],
    "go on with a text, as GPT-2 does"
    if removed and "BART's decoder, its own text" in stays
    else "translate a text",
    f"its decoder alone is decoder-only; lost are {removed / 1e6:.1f} million numbers, and sight of the encoder",
)

# %%
n_calls = calls(torch.cat([six, six], dim=1), n_new=5)
quiz(
    "BART reads a text of 12 tokens and writes 5. How often does each stack run?",
    ["encoder 1, decoder 5", "encoder 12, decoder 5", "encoder 5, decoder 5", "encoder 1, decoder 17"],
    f"encoder {n_calls['encoder']}, decoder {n_calls['decoder']}",
    "the text that is read does not change during writing; only the decoder runs for each new token",
)

# %%
better = min(trained, key=lambda name: trained[name][2])
quiz(
    "Two models learn the next letter, one with a mask, one without. Whose training loss is lower?",
    [
        "the one without, and it writes worse",
        "the one with it, and it writes better",
        "both have the same",
        "the one without, and it writes better",
    ],
    "the one without, and it writes worse"
    if better == "no mask"
    else "the one with it, and it writes better",
    "it sees the answer and copies it; when it writes, there is none",
)
