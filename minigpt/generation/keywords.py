"""The settings as keywords of `generate`, `stream` and the like, for type checkers; `Settings` explains them."""

from collections.abc import Sequence
from typing import Literal, TypedDict


class Keywords(TypedDict, total=False):
    """All settings but num_return_sequences, which decides what `generate` returns. None stands for: not given."""

    max_new_tokens: int | None
    usual_new_tokens: int | None
    do_sample: bool | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    repetition_penalty: float | None
    num_beams: int | None
    length_penalty: float | None
    early_stopping: bool | Literal["never"] | None
    seed: int | None
    stop: str | Sequence[str] | None
    eos_token_id: int | Sequence[int] | None
    bos_token_id: int | None
    context: Literal["error", "stop", "slide"] | None
    top_logprobs: int | None
    prompt_lookup_num_tokens: int | None
    plain: bool | None
