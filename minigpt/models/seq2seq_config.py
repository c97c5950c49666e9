"""The sizes of BART and T5, which have an encoder and a decoder; GPT-2's are in config.py."""

from dataclasses import dataclass

from minigpt.models.config import GPT2Config, check_sizes


@dataclass(frozen=True)
class BartConfig:
    """The sizes of a BART (Lewis et al. 2020, section 2; the defaults are those of BART-base, 139M parameters)."""

    vocab_size: int = 50265
    n_ctx: int = 1024  # positions, in the encoder and in the decoder
    n_layer: int = 6  # of the encoder
    n_decoder_layer: int = 6
    n_head: int = 12
    n_embd: int = 768
    n_inner: int = 3072
    scaled: bool = False  # embeddings are multiplied by sqrt(C)
    has_bias: bool = True  # the logits have one; the files of BART-base lack it
    dropout: float = 0.0  # share of values dropped while training; nothing is dropped in eval mode

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.n_decoder_layer < 1 or self.n_embd % self.n_head:
            sizes = f"n_decoder_layer {self.n_decoder_layer}, n_embd {self.n_embd}, n_head {self.n_head}"
            raise ValueError(f"{sizes}: expected at least 1, and an n_embd that is a multiple of n_head")

    @property
    def decoder(self) -> GPT2Config:
        """The decoder's sizes, as its cache needs them."""
        layers, heads = self.n_decoder_layer, self.n_head
        return GPT2Config(self.vocab_size, self.n_ctx, layers, heads, self.n_embd, dropout=self.dropout)


@dataclass(frozen=True)
class T5Config:
    """The sizes of a T5 (Raffel et al. 2020, section 3.7; the defaults are those of T5-small, 60M parameters).

    >>> config = T5Config(n_layer=2, n_decoder_layer=3)
    >>> config.decoder.n_layer, config.decoder.head_dim
    (3, 64)
    """

    vocab_size: int = 32128
    n_layer: int = 6  # of the encoder
    n_decoder_layer: int = 6
    n_head: int = 8
    head_dim: int = 64  # all heads together need not be as wide as n_embd
    n_embd: int = 512
    n_inner: int = 2048
    n_buckets: int = 32  # distances are sorted into this many
    max_distance: int = 128  # from here on all share one
    gated: bool = False  # version 1.1: GELU of one product times another (Shazeer 2020); 1.0: ReLU of one
    tied: bool = True  # version 1.0: the output matrix is the embedding; 1.1 has one of its own
    norm_eps: float = 1e-6
    dropout: float = 0.0  # share of values dropped while training; nothing is dropped in eval mode

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.n_decoder_layer < 1 or not 4 <= self.n_buckets < 2 * self.max_distance:
            sizes = f"n_decoder_layer {self.n_decoder_layer}, n_buckets {self.n_buckets}"
            raise ValueError(f"{sizes}: expected at least 1, and 4 to below 2 x max_distance ({self.max_distance})")

    @property
    def decoder(self) -> GPT2Config:
        """The decoder's sizes as its cache needs them: no limit on positions, and n_embd is the width of all heads."""
        layers, width = self.n_decoder_layer, self.n_head * self.head_dim
        return GPT2Config(self.vocab_size, 2**31, layers, self.n_head, width, dropout=self.dropout)
