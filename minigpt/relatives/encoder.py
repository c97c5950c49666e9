"""BERT and what is made from it, ready to use: vectors of texts, the similarity of two texts, the word for a [MASK]."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from minigpt.models.bert import Bert
from tokenizer.base import several
from tokenizer.wordpiece import FIVE, MASK, PAD, PREFIX, WordPiece
from weights.families.sentence import Sentence, read_sentence
from weights.relatives import RelativeCheckpoint, load_relative_checkpoint

if TYPE_CHECKING:
    from weights.report import LoadReport

BATCH = 32  # texts in one pass


class Similar(NamedTuple):
    """A text and the cosine of its vector with another's: 1 for the same direction, 0 for orthogonal ones."""

    text: str
    cosine: float


class Filling(NamedTuple):
    """A token for the [MASK] of a text, its probability, and the text with it filled in."""

    token: str
    probability: float
    text: str


class Encoder:
    """A BERT with its tokenizer. See `minigpt.load_relative`."""

    def __init__(
        self,
        model: Bert,
        tokenizer: WordPiece,
        sentence: Sentence | None = None,
        name: str = "",
        report: LoadReport | None = None,
        path: Path | None = None,
    ) -> None:
        self.model, self.tokenizer, self.sentence = model, tokenizer, sentence or Sentence()
        self.name, self.report, self.path = name, report, path
        if tokenizer.n_vocab > model.config.vocab_size:
            n, rows = tokenizer.n_vocab, model.config.vocab_size
            raise ValueError(f"{name}: the vocabulary has {n} ids, the model only {rows} (vocab_size): use its own")
        if missing := [token for token in FIVE if token not in tokenizer.special_tokens]:
            raise ValueError(
                f"{name}: the vocabulary lacks {', '.join(missing)}: use the one that belongs to the model"
            )

    @classmethod
    def load(
        cls, name: str | Path, device: str | torch.device = "auto", dtype: torch.dtype | str | None = None
    ) -> Encoder:
        """Like `minigpt.load_relative`, for a model known to be a BERT."""
        return cls.of(load_relative_checkpoint(name, device, dtype))

    @classmethod
    def of(cls, checkpoint: RelativeCheckpoint) -> Encoder:
        """From a checkpoint and the files beside it; raises ValueError if it is not a BERT's."""
        if not isinstance(checkpoint.model, Bert):
            raise ValueError(f"{checkpoint.name} is no BERT: load it with minigpt.load_relative")
        tokenizer = WordPiece.load(checkpoint.path)
        sentence = read_sentence(checkpoint.path, tokenizer.lower_case)
        return cls(checkpoint.model, tokenizer, sentence, checkpoint.name, checkpoint.report, checkpoint.path)

    def __repr__(self) -> str:
        config, n = self.model.config, sum(parameter.numel() for parameter in self.model.parameters())
        sizes = f"n_layer={config.n_layer}, n_head={config.n_head}, n_embd={config.n_embd}, n_ctx={config.n_ctx}"
        return f"Encoder({self.name or 'unnamed'}: Bert, {n:,} parameters, {sizes})"

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> Tensor:
        """A vector of length 1 for each text: (N, C). The product of two is their cosine.

        It is the mean of the last layer's vectors over all tokens of the text, [CLS] and [SEP] too but not padding, or,
        if the folder's 1_Pooling says so, that of [CLS], normalized: as in sentence-transformers (Reimers &
        Gurevych 2019, section 3). A plain BERT, which was not trained for it, gives its mean too: of little use, since
        most of its cosines are high. Raises ValueError for a text longer than the model reads.
        """
        rows = [self.ids(text) for text in several(texts, "texts", "embed as [text]")]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))  # so that little is padded
        found = torch.empty(len(rows), self.model.config.n_embd, dtype=self.model.word_embeddings.weight.dtype)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            found[chosen] = self.vectors([rows[i] for i in chosen]).to(found.device)
        return found

    def vectors(self, rows: list[list[int]]) -> Tensor:
        """The vectors of length 1 of one batch of ids: (B, C)."""
        n_tokens = max(len(row) for row in rows)
        pad = self.tokenizer.special_tokens[PAD]
        device = self.model.word_embeddings.weight.device
        ids = torch.tensor([row + [pad] * (n_tokens - len(row)) for row in rows], device=device)  # (B, T)
        mask = torch.tensor([[i < len(row) for i in range(n_tokens)] for row in rows], device=device)  # (B, T)
        x = self.model(ids, mask)  # (B, T, C)
        weights = mask.to(x.dtype)[:, :, None]  # (B, T, 1)
        pooled = x[:, 0] if self.sentence.pooling == "cls" else (x * weights).sum(dim=1) / weights.sum(dim=1)  # (B, C)
        return pooled / pooled.norm(dim=-1, keepdim=True).clamp(min=1e-12)

    def similar(self, text: str, texts: Sequence[str]) -> list[Similar]:
        """The texts with the cosine of their vectors and that of `text`, the most similar first."""
        texts = list(several(texts, "texts", "similar as [text]"))
        cosines = self.embed(texts) @ self.embed([text])[0]  # (N,)
        pairs = [Similar(other, cosine) for other, cosine in zip(texts, cosines.tolist(), strict=True)]
        return sorted(pairs, key=lambda pair: -pair.cosine)

    @torch.inference_mode()
    def fill_mask(self, text: str, n: int = 5) -> list[Filling]:
        """The `n` most likely tokens at the position of the text's [MASK], the most likely first.

        Raises ValueError if the checkpoint has no head for it, or the text not exactly one [MASK].
        """
        if not self.model.config.has_head:
            known = "load one that has, such as bert-base-uncased"
            raise ValueError(f"{self.name}: this checkpoint has no masked-language head (cls.predictions): {known}")
        if not 1 <= n <= self.tokenizer.n_vocab:
            raise ValueError(f"n={n}: give a number from 1 to {self.tokenizer.n_vocab}, the size of the vocabulary")
        ids = self.ids(text, [MASK])
        mask = self.tokenizer.special_tokens[MASK]
        if ids.count(mask) != 1:
            raise ValueError(f"the text has {ids.count(mask)} times {MASK}: write it once, where a word is wanted")
        x = self.model(torch.tensor([ids], device=self.model.word_embeddings.weight.device))  # (1, T, C)
        probabilities = self.model.predict(x[0, ids.index(mask)]).float().softmax(dim=-1)  # (V,)
        best = probabilities[: self.tokenizer.n_vocab].topk(n)
        found = []
        for probability, id in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            token = self.tokenizer.tokens.get(id, "")
            found.append(Filling(token, probability, text.replace(MASK, token.removeprefix(PREFIX))))
        return found

    def ids(self, text: str, allow_special: Sequence[str] = ()) -> list[int]:
        """[CLS], the ids of a text, [SEP]; a ValueError where it is longer than the model reads."""
        ids, _ = self.tokenizer.wrap(self.tokenizer.encode(text, allow_special))
        longest = min(self.sentence.max_tokens or self.model.config.n_ctx, self.model.config.n_ctx)
        if len(ids) > longest:
            start = f"{text[:40]!r}…"
            raise ValueError(f"the text {start} has {len(ids)} tokens, {self.name} reads {longest}: cut it into parts")
        return ids
