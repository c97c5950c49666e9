"""Text from ids that come one by one: a character may need several tokens, so its bytes wait for each other."""

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizer.bpe import Tokenizer


class StreamDecoder:
    """Decodes ids as they come; what `push` and `flush` give, joined, equals `decode` of all ids.

    >>> from tokenizer import Tokenizer
    >>> stream = StreamDecoder(Tokenizer({bytes([i]): i for i in range(256)}))
    >>> [stream.push(i) for i in "né".encode()], stream.flush()
    (['n', '', 'é'], '')
    """

    def __init__(self, tokenizer: "Tokenizer") -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id: int) -> str:
        """The characters that are whole now that `id` has come, often none; a bad id is a ValueError.

        >>> from tokenizer import Tokenizer
        >>> StreamDecoder(Tokenizer({b"hi": 0})).push(0)
        'hi'
        """
        return self._decoder.decode(self._tokenizer.decode_bytes([id]))

    def flush(self) -> str:
        """What is left at the end: U+FFFD where a character's last bytes never came.

        >>> from tokenizer import Tokenizer
        >>> stream = StreamDecoder(Tokenizer({b"\\xf0": 0}))
        >>> stream.push(0), stream.flush()
        ('', '\ufffd')
        """
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text
