"""The sizes of the Llama family, beside config.py, which has GPT-2's."""

from dataclasses import dataclass

from minigpt.models.config import GPT2Config, check_sizes


@dataclass(frozen=True)
class LlamaConfig:
    """The sizes of a Llama, Qwen2 or Qwen3 model, and the four points in which the three families differ.

    >>> LlamaConfig(vocab_size=99, n_ctx=64, n_layer=1, n_head=4, n_kv_head=2, n_embd=32, n_inner=48).head_dim
    8
    """

    vocab_size: int
    n_ctx: int
    n_layer: int
    n_head: int
    n_kv_head: int  # fewer than n_head: groups of query heads share keys and values (grouped-query attention)
    n_embd: int
    n_inner: int
    head_dim: int = 0  # 0 stands for n_embd / n_head; Qwen3 sets it apart
    norm_eps: float = 1e-6
    rope_theta: float = 10000.0  # base of the rotary angles: the slowest has a period of about 2 pi x this
    qkv_bias: bool = False  # Qwen2: biases on q, k and v
    qk_norm: bool = False  # Qwen3: an RMSNorm on each head's q and k
    tied: bool = True  # the output matrix is the embedding

    def __post_init__(self) -> None:
        if not self.head_dim and self.n_head > 0:
            if self.n_embd % self.n_head:
                raise ValueError(f"n_embd {self.n_embd} does not divide into n_head {self.n_head} heads")
            object.__setattr__(self, "head_dim", self.n_embd // self.n_head)
        check_sizes(self)
        if self.n_head % self.n_kv_head:
            raise ValueError(f"n_head {self.n_head} does not divide into n_kv_head {self.n_kv_head} groups")
        if self.head_dim % 2:
            raise ValueError(f"head_dim {self.head_dim} is odd; rotary position embedding rotates pairs of values")


Config = GPT2Config | LlamaConfig  # of either family
