"""Unicode as tokenizer.json's library knows it: cuts by version 16, normal forms by version 9, lower case by 17.

Python and `regex` have tables of other versions. What they know and that library does not is hidden from them here:
every code point keeps its place in the text, so a match in the changed text has the same place in the original.
"""

import re
import unicodedata
from functools import cache
from typing import Literal

from tokenizer.unicode import members

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
# Assigned after Unicode 16, up to 18.
NEWER = """
558 58b-58c 5c8-5c9 88f b53-b54 c5c cdc 1acf-1af0 208f 209d-209f 20c1-20c4 2b96 2e60-2e63 a7ce-a7cf a7d2 a7d4 a7dd a7e2
a7f1 ab6c-ab6d fbc3-fbd2 fd90-fd91 fdc8-fdce 107bb-107bf 10940-10959 10ec5-10ec7 10ec9-10eee 10ef0-10efb 11b0a
11b60-11b67 11db0-11ddb 11de0-11de9 11df0-11df1 1246f 12475-1247f 12550-12686 16ea0-16eb8 16ebb-16ed3 16ff2-16ff6
187f8-187ff 18cd6-18cda 18d09-18d20 18d80-18df2 18e00-19191 191a0-191d2 1b123-1b128 1b168 1ccfa-1ccfc 1ceba-1ced0
1ced2-1ced4 1cedd-1cefd 1d127-1d128 1d1eb-1d1ff 1d250-1d281 1d6a6 1db00-1db1c 1df1f-1df24 1df2b-1df81 1df90-1df96
1dfcd-1dfff 1e6c0-1e6de 1e6e0-1e6f5 1e6fe-1e6ff 1f1ae 1f6d8-1f6d9 1f777-1f77a 1f7da-1f7db 1f7f1-1f7ff 1f8d0-1f8d8
1fa54-1fa57 1fa8a-1fa8e 1fac8 1facc-1facd 1fadd 1faea-1faeb 1faef 1faf9-1fafa 1fbfa 2b73a-2b73f 2b81e 2cea2-2cead
323b0-33479 3d000-3fc3f
"""
# What was added after Unicode 9 and decomposes, composes or combines.
NOT_NORMALIZED = """
558 58b-58c 5c8-5c9 7fd 897-89f 8ca-8d3 9fe c3c d3b-d3c eba 1715 1abf-1af0 1df6-1dfa 209d-209f 32ff a7f1-a7f4 a82c ab69
105c0-105ff 10781-10785 10787-107b0 107b2-107bf 10d24-10d27 10d69-10d6d 10eab-10eac 10ecb-10ecf 10ef0-10efb 10efd-10eff
10f46-10f50 10f82-10f85 11070 1133b 11380-113ff 1145e 11839-1183a 11900-1195f 119e0 11a34 11a47 11a99 11d42 11d44-11d45
11d97 11f41-11f42 16100-1613f 16d40-16d7f 16ff0-16ff1 1b123-1b126 1ccd6-1ccf9 1d127-1d128 1d250-1d252 1d25b-1d25c 1d25f
1d280-1d281 1d6a6 1df95 1dfcd-1dfff 1e030-1e06d 1e08f 1e130-1e136 1e2ae 1e2ec-1e2ef 1e4ec-1e4ef 1e5ee-1e5ef 1e6e3 1e6e6
1e6ee-1e6ef 1e6f5 1f16c 1fbf0-1fbf9
"""
LOWER = {0x1C89: 0x1C8A, 0xA7CB: 0x264, 0xA7CC: 0xA7CD, 0xA7CE: 0xA7CF, 0xA7D2: 0xA7D3, 0xA7D4: 0xA7D5, 0xA7DA: 0xA7DB}
LOWER |= {0xA7DC: 0x19B, ord("Σ"): ord("σ")}  # the last whatever is around it
LOWER |= {i: i + 0x20 for i in range(0x10D50, 0x10D66)} | {i: i + 0x1B for i in range(0x16EA0, 0x16EB9)}
DIGITS = "[\\p{N}\U00011de0-\U00011de9\U00016ff4-\U00016ff6]"  # "numeric" in Rust, whose tables are of version 17


@cache
def _newer() -> re.Pattern[str]:
    return re.compile(f"[{members(NEWER)}]")


@cache
def _not_normalized() -> re.Pattern[str]:
    return re.compile(f"([{members(NOT_NORMALIZED)}]+)")


def as_unicode_16(text: str) -> str:
    """The text with unassigned code points in place of newer ones, so it is cut as in version 16.

    >>> as_unicode_16("a\\u088f") == "a\\u0378"
    True
    """
    if text.isascii():
        return text
    return _newer().sub("\u0378", text).replace("\u0295", "\u0251")  # the one whose category changed since: Ll


def normal_form(form: Form, text: str) -> str:
    """NFC, NFD, NFKC or NFKD of the text.

    >>> normal_form("NFC", "e\\u0301")
    'é'
    """
    if text.isascii():
        return text
    parts = _not_normalized().split(text)
    return "".join(part if i % 2 else unicodedata.normalize(form, part) for i, part in enumerate(parts))


def lower(text: str) -> str:
    """Every character in lower case.

    >>> lower("ΑΣ")
    'ασ'
    """
    return text.lower() if text.isascii() else text.translate(LOWER).lower()
