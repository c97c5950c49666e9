"""The sizes of the Llama family; GPT-2's are in config.py."""

import math
from dataclasses import dataclass, fields

from minigpt.models.config import GPT2Config, check_sizes


@dataclass(frozen=True)
class RopeScaling:
    """How the rotations are slowed down for texts longer than those trained on; rope.py does it.

    >>> round(RopeScaling("yarn", factor=4.0, original_n_ctx=32768).attention_factor, 4)  # 0.1 ln(4) + 1
    1.1386
    """

    rope_type: str  # "linear", "dynamic", "llama3" or "yarn", the names of transformers
    factor: float  # how many times longer
    original_n_ctx: int  # positions of the texts trained on
    low_freq_factor: float = 1.0  # llama3: pairs that turn fewer times than this in original_n_ctx are slowed down
    high_freq_factor: float = 4.0  # llama3: those that turn more often stay as they are
    beta_fast: float = 32.0  # yarn: pairs that turn more often than this in original_n_ctx stay as they are
    beta_slow: float = 1.0  # yarn: those that turn fewer times are slowed down
    truncate: bool = True  # yarn: both bounds are rounded to whole pairs
    attention_factor: float = 0.0  # yarn: multiplies cos and sin; 0 stands for 0.1 ln(factor) + 1

    def __post_init__(self) -> None:
        if self.rope_type not in ("linear", "dynamic", "llama3", "yarn"):
            raise ValueError(f"rope_type is {self.rope_type!r}; expected linear, dynamic, llama3 or yarn")
        if not self.attention_factor:
            grows = self.rope_type == "yarn" and self.factor > 1
            object.__setattr__(self, "attention_factor", 0.1 * math.log(self.factor) + 1 if grows else 1.0)
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if field.name != "truncate" and not 0 < value < 2**63:  # what is beyond gives angles of 0, or none
                raise ValueError(f"{field.name} must be a number above 0 and below 2**63, not {value}")
        low, high = self.low_freq_factor, self.high_freq_factor
        if self.rope_type == "llama3" and low >= high:
            raise ValueError(f"low_freq_factor {low} is not below high_freq_factor {high}")


@dataclass(frozen=True)
class LlamaConfig:
    """The sizes of a Llama, Mistral, Qwen2 or Qwen3 model, and the points in which these families differ.

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
    head_dim: int = 0  # 0 stands for n_embd / n_head; Qwen3 sets it separately
    norm_eps: float = 1e-6
    rope_theta: float = 10000.0  # base of the rotary angles: the slowest has a period of about 2 pi x this
    rope_scaling: RopeScaling | None = None  # Llama 3.1, and long contexts of Qwen
    qkv_bias: bool = False  # Qwen2: biases on q, k and v
    o_bias: bool = False  # Llama's attention_bias: one on the output projection, too
    mlp_bias: bool = False  # Llama's mlp_bias: biases in the feed-forward network
    qk_norm: bool = False  # Qwen3: an RMSNorm on each head's q and k
    activation: str = "silu"  # a name in ACTIVATIONS
    window: int = 0  # Mistral, Qwen2: in the sliding layers a token sees this many tokens, itself included
    sliding_layers: tuple[int, ...] = ()  # which layers these are, from 0 on
    tied: bool = True  # the output matrix is the embedding

    def __post_init__(self) -> None:
        if not self.head_dim and self.n_head > 0:
            if self.n_embd % self.n_head:
                raise ValueError(f"n_embd {self.n_embd} does not divide into n_head {self.n_head} heads")
            object.__setattr__(self, "head_dim", self.n_embd // self.n_head)
        if isinstance(self.rope_scaling, dict):  # as dataclasses.asdict gives it
            object.__setattr__(self, "rope_scaling", RopeScaling(**self.rope_scaling))
        check_sizes(self)
        if self.n_head % self.n_kv_head:
            raise ValueError(f"n_head {self.n_head} does not divide into n_kv_head {self.n_kv_head} groups")
        if self.head_dim % 2:
            raise ValueError(f"head_dim {self.head_dim} is odd; rotary position embedding rotates pairs of values")
        if self.n_ctx >= 2**63:
            raise ValueError(f"n_ctx {self.n_ctx} is more than a position can count, 2**63 - 1")
        if self.sliding_layers and self.window < 1:
            raise ValueError(f"sliding_window must be at least 1, not {self.window}")
        kind = self.rope_scaling.rope_type if self.rope_scaling else "default"
        if (kind == "yarn" and self.rope_theta == 1) or (kind == "dynamic" and self.head_dim == 2):
            raise ValueError(f"{kind} gives no angles for rope_theta {self.rope_theta:g} and head_dim {self.head_dim}")


Config = GPT2Config | LlamaConfig  # of either family
