"""GPT-2's alphabet: an order for the 256 bytes, and a printable character for each.

Vocabulary files are text, and most bytes are not; so byte 32, the space, is written Ġ, and a line end Ċ.
Bytes that Latin-1 prints stand for themselves and come first; the others follow as U+0100, U+0101, ….
Source: `bytes_to_unicode` in `encoder.py` of OpenAI's GPT-2 release, 2019.
"""

_PRINTABLE = bytes([*range(33, 127), *range(161, 173), *range(174, 256)])
BYTES = _PRINTABLE + bytes(b for b in range(256) if b not in _PRINTABLE)  # BYTES[0] is "!", BYTES[198] a line end
CHARS = "".join(map(chr, [*_PRINTABLE, *range(256, 256 + 256 - len(_PRINTABLE))]))

_TO_CHARS = dict(zip(BYTES, CHARS, strict=True))
_NONE = dict.fromkeys(range(256), "\uffff")  # for characters that stand for no byte: encoding to Latin-1 then fails
_TO_LATIN_1 = _NONE | {ord(char): chr(byte) for char, byte in zip(CHARS, BYTES, strict=True)}


def bytes_to_unicode(token: bytes) -> str:
    """A token in printable characters.

    >>> bytes_to_unicode(b" the\\n")
    'ĠtheĊ'
    """
    return token.decode("latin-1").translate(_TO_CHARS)


def unicode_to_bytes(text: str) -> bytes:
    """The bytes of a token written by `bytes_to_unicode`; a ValueError if a character stands for no byte.

    >>> unicode_to_bytes("ĠtheĊ")
    b' the\\n'
    """
    try:
        return text.translate(_TO_LATIN_1).encode("latin-1")
    except UnicodeEncodeError as error:
        wrong = text[error.start]
        raise ValueError(f"token {text!r:.80}: {wrong!r} stands for no byte in GPT-2's alphabet") from None
