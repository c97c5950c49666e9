"""The sizes of a model, under one set of names (lesson 07); each file's own names are translated on reading."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GPT2Config:
    """The sizes of a GPT-2 (Radford et al. 2019, table 2; the defaults are the smallest one's, 124M parameters).

    >>> config = GPT2Config(n_layer=2, n_head=4, n_embd=32)
    >>> config.head_dim, config.n_kv_head, config.n_inner
    (8, 4, 128)
    >>> GPT2Config(n_head=5, n_embd=32)
    Traceback (most recent call last):
    ValueError: n_embd 32 does not divide into n_head 5 heads
    """

    vocab_size: int = 50257
    n_ctx: int = 1024  # positions: the longest text the model can see
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    n_inner: int = 0  # the MLP's width; 0 stands for 4 x n_embd
    norm_eps: float = 1e-5
    dropout: float = 0.0  # share of values dropped while training; nothing is dropped in eval mode

    def __post_init__(self) -> None:
        if not self.n_inner:
            object.__setattr__(self, "n_inner", 4 * self.n_embd)
        check_sizes(self)
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd {self.n_embd} does not divide into n_head {self.n_head} heads")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 to below 1, not {self.dropout}")

    @property
    def head_dim(self) -> int:
        """Size of one head's vectors."""
        return self.n_embd // self.n_head

    @property
    def n_kv_head(self) -> int:
        """Heads of keys and values: in GPT-2 each query head has its own."""
        return self.n_head


def check_sizes(config: object) -> None:
    """Refuse, by name, a size below one and a norm_eps or rope_theta that is not finite and above 0."""
    for name in ("vocab_size", "n_ctx", "n_layer", "n_head", "n_kv_head", "n_embd", "n_inner", "head_dim"):
        if name in vars(config) and vars(config)[name] < 1:
            raise ValueError(f"{name} must be at least 1, not {vars(config)[name]}")
    for name in ("norm_eps", "rope_theta"):
        value = vars(config).get(name, 1.0)  # GPT-2 has no rope_theta
        if not 0 < value < float("inf"):  # nan fails this, too
            raise ValueError(f"{name} must be a finite number above 0, not {value}")
