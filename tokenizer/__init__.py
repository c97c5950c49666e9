"""Byte-pair encoding from scratch: trainer, encoder, decoder; needs neither torch nor minigpt.

>>> import tokenizer
>>> tok = tokenizer.train("the cat sat on the mat", vocab_size=262)
>>> tok.decode(tok.encode("the hat"))
'the hat'
"""

from tokenizer.bpe import Tokenizer
from tokenizer.fast.training import train
from tokenizer.patterns import CL100K_PATTERN, GPT2_PATTERN, QWEN2_PATTERN, SMOLLM2_PATTERN
from tokenizer.simple import CharTokenizer, WordTokenizer
from tokenizer.streaming import StreamDecoder

__all__ = [
    "CL100K_PATTERN",
    "GPT2_PATTERN",
    "QWEN2_PATTERN",
    "SMOLLM2_PATTERN",
    "CharTokenizer",
    "StreamDecoder",
    "Tokenizer",
    "WordTokenizer",
    "train",
]
