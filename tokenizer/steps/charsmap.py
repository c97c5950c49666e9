"""The compiled normalization in a sentencepiece file: which characters become which text.

Source: google/sentencepiece, src/normalizer.cc; s-yata/darts-clone, the double array in which the texts are looked up.
`tokenizers` reads it (normalizers/precompiled.rs) slightly differently from sentencepiece, and is followed here.
"""

import base64
import struct
from collections.abc import Callable
from functools import cached_property
from importlib import import_module

SHORT = 6  # bytes; characters with their accents are looked up together below that


class Charsmap:
    """Replaces characters by the texts of a compiled table, given in base64 as in tokenizer.json.

    The table is the length of a double array in bytes, the array of 32-bit units, and the texts, each ended by a zero.
    """

    def __init__(self, code: str) -> None:
        try:
            data = base64.b64decode(code, validate=True)
            size = int.from_bytes(data[:4], "little")
            self.units = struct.unpack(f"<{max(1, size // 4)}I", data[4 : 4 + size])
        except (ValueError, struct.error):
            raise ValueError("precompiled_charsmap is cut short or damaged: fetch the file again") from None
        self.texts = data[4 + size :]

    @cached_property
    def _clusters(self) -> Callable[[str], list[str]]:
        find: Callable[[str], list[str]] = import_module("regex").compile(r"\X").findall
        return find

    def normalize(self, text: str) -> str:
        """The text with everything that the table has replaced."""
        found = []
        for cluster in self._clusters(text):  # a character with its accents
            whole = self.look_up(cluster) if len(cluster.encode()) < SHORT else None
            if whole is not None:
                found.append(whole)
            else:
                for char in cluster:
                    other = self.look_up(char)
                    found.append(char if other is None else other)
        return "".join(found)

    def look_up(self, chars: str) -> str | None:
        """The text for the shortest prefix of these characters that the table has, or None."""
        node = _offset(self.units[0])
        for byte in chars.encode():
            if not byte or node ^ byte >= len(self.units) or self.units[node ^ byte] & 0x800000FF != byte:
                return None
            unit = self.units[node ^ byte]
            node ^= byte ^ _offset(unit)
            if unit >> 8 & 1:  # a key ends here, and the next unit has the value
                start = self.units[node] & 0x7FFFFFFF
                return self.texts[start : self.texts.index(b"\0", start)].decode()
        return None


def _offset(unit: int) -> int:
    return (unit >> 10) << ((unit & 0x200) >> 6)
