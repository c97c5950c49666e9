"""Fast ways through a text: in blocks of bounded size, and within a block in units larger than pieces."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tokenizer.fast.splitting import splitter
from tokenizer.unicode import WHITE as _WHITE

# Units end where the pattern always cuts: at white space after anything else (GPT-2), unless it is a line end after
# punctuation (cl100k). No piece crosses a unit's end, so a unit's pieces do not depend on its neighbours, and one
# lookup gives the ids of several pieces. That holds for exactly these patterns, which are therefore repeated here: one
# that was changed in `tokenizer.patterns` is not among them, and cuts a text into its pieces directly.
_WORD = r"\s*+\S+|\s+"
_WORD_AND_LINE_END = r"\s*+\S+(?:(?<=[^\s\p{L}\p{N}])[\r\n]+)?|\s+"
_CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UNITS = {
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": _WORD,  # GPT-2
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?![^\s\p{N}])|\s+": _WORD,  # SmolLM2
    _CL100K % r"\p{N}{1,3}": _WORD_AND_LINE_END,
    _CL100K % r"\p{N}": _WORD_AND_LINE_END,  # Qwen2
}
_WORD_END = re.compile(r"[A-Za-z0-9](?= )")
_LAST_WORD_END = re.compile(r"(?s:.*)[A-Za-z0-9](?= )")


def unit_splitter(pattern: str) -> Callable[[str], list[str]]:
    """The function that cuts a unit into pieces. A unit of an unknown pattern is a piece already: cut again, without
    its neighbours, it might fall apart.

    >>> unit_splitter(r"a(?=b)|[^a]")("a")
    ['a']
    """
    return splitter(pattern) if pattern in UNITS else lambda unit: [unit]


def units(text: str, pattern: str) -> Iterator[tuple[str, list[str]]]:
    """The text in lists of units, each list with the character to put before every unit of it.

    In prose nearly all units are words with one space between them, and `str.split` finds those fastest.

    >>> from tokenizer.patterns import GPT2_PATTERN
    >>> list(units("one two, three", GPT2_PATTERN))
    [('', ['one']), (' ', ['two,', 'three'])]
    >>> list(units("one  two", GPT2_PATTERN))
    [('', ['one', '  two'])]
    """
    if pattern not in UNITS:
        yield "", splitter(pattern)(text)
        return
    for block in blocks(text):
        if any(space in block and space + " " in block for space in _WHITE):
            yield "", splitter(UNITS[pattern])(block)
        else:
            first, *rest = block.split(" ")
            yield "", [first]
            yield " ", rest


def blocks(text: str, size: int = 1 << 14) -> Iterator[str]:
    """The text in blocks of `size` characters or somewhat more, cut between a word and a space.

    >>> list(blocks("one two three", size=4))
    ['one two', ' three']
    """
    start = 0
    while start < len(text):
        cut = _WORD_END.search(text, start + size)
        end = cut.end() if cut else len(text)
        yield text[start:end]
        start = end


def file_blocks(path: Path, pattern: str, names: Sequence[str] = (), size: int = 1 << 22) -> Iterator[str]:
    """A UTF-8 file in blocks of about `size` characters, cut where the pattern cuts, outside special tokens.

    >>> import tempfile
    >>> from tokenizer.patterns import GPT2_PATTERN
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "text").write_text("one two three")
    ...     list(file_blocks(Path(folder, "text"), GPT2_PATTERN, size=8))
    ['one two', ' three']
    """
    if pattern not in UNITS or any(map(_WORD_END.search, names)):
        size = -1  # then no place is safe, and the file is read whole
    rest = ""
    with path.open(encoding="utf-8", newline="") as file:
        try:
            while block := file.read(size):
                block = rest + block
                cut = _LAST_WORD_END.match(block) if size > 0 else None
                end = cut.end() if cut else 0
                if end:
                    yield block[:end]
                rest = block[end:]
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8 ({error.reason}): save it as UTF-8, or give its text") from None
    yield rest
