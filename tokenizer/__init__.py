"""Byte-pair encoding from scratch: trainer, encoder, decoder; needs neither torch nor minigpt.

>>> import tokenizer
>>> tok = tokenizer.train("the cat sat on the mat", vocab_size=262)
>>> tok.decode(tok.encode("the hat"))
'the hat'
"""

TYPE_CHECKING = False  # for type checkers, which take it as true
if TYPE_CHECKING:
    from tokenizer.bpe import Tokenizer as Tokenizer
    from tokenizer.fast.training import train as train
    from tokenizer.patterns import CL100K_PATTERN as CL100K_PATTERN
    from tokenizer.patterns import GPT2_PATTERN as GPT2_PATTERN
    from tokenizer.patterns import QWEN2_PATTERN as QWEN2_PATTERN
    from tokenizer.patterns import SMOLLM2_PATTERN as SMOLLM2_PATTERN
    from tokenizer.simple import CharTokenizer as CharTokenizer
    from tokenizer.simple import WordTokenizer as WordTokenizer
    from tokenizer.streaming import StreamDecoder as StreamDecoder

HOMES = {
    "Tokenizer": "tokenizer.bpe",
    "train": "tokenizer.fast.training",
    "CL100K_PATTERN": "tokenizer.patterns",
    "GPT2_PATTERN": "tokenizer.patterns",
    "QWEN2_PATTERN": "tokenizer.patterns",
    "SMOLLM2_PATTERN": "tokenizer.patterns",
    "CharTokenizer": "tokenizer.simple",
    "WordTokenizer": "tokenizer.simple",
    "StreamDecoder": "tokenizer.streaming",
}
__all__ = [*HOMES]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import an attribute when it is asked for."""
        from tokenizer.lazy import attribute

        return attribute("tokenizer", HOMES, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES])
