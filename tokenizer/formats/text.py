"""Reading text and JSON files: the one place that says what is wrong with them."""

import codecs
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LARGEST = 48_000_000  # bytes; the largest tokenizer.json known has 34 million
HALF = re.compile(r"\\u[dD][89a-fA-F]")
KINDS = {dict: "an object", list: "a list", str: "a text", int: "a whole number"}


def read_text(path: Path, encoding: str = "utf-8", limit: int | None = None) -> str:
    """The text of a file, with its line ends unchanged and without a byte-order mark.

    Raises OSError if it cannot be read, ValueError if its bytes are not in the encoding, naming the place.

    >>> import os
    >>> read_text(Path(os.devnull))
    ''
    """
    check_file(path, limit)
    data = path.read_bytes()
    if data.startswith(codecs.BOM_UTF8):
        data = data[3:]
    try:
        return data.decode(encoding)
    except LookupError:
        raise ValueError(f"unknown encoding {encoding!r}: common ones are utf-8, cp1252, latin-1, utf-16") from None
    except UnicodeDecodeError as error:
        what = "UTF-8 text" if encoding == "utf-8" else encoding
        raise ValueError(
            f"{path} is not {what}: byte {data[error.start]:#04x} at offset {error.start} ({error.reason})"
        ) from None


def check_file(path: Path, limit: int | None = None) -> None:
    """A ValueError if a path is not a file on a disk, and so may never end, or is larger than `limit` bytes.

    >>> check_file(Path("/dev/zero"))
    Traceback (most recent call last):
    ValueError: /dev/zero is no regular file: give one
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode) and str(path) != os.devnull:
        raise ValueError(f"{path} is no regular file: give one")
    if limit is not None and found.st_size > limit:
        raise ValueError(f"{path} has {found.st_size:,} bytes, where {limit:,} are the most: it is another file")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; a ValueError if there is none.

    >>> import os
    >>> read_json(Path(os.devnull))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: ...null is not JSON (Expecting value: line 1 column 1 (char 0))
    """
    text = read_text(path, limit=LARGEST)
    try:
        data = json.loads(text, object_pairs_hook=each_once)
        if HALF.search(text):
            json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError(f"{path} holds half of a surrogate pair: save it again") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error})") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path} holds a JSON {type(data).__name__}, not an object")
    return data


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, for `json.loads`, which would drop all but the last of several values with one name.

    >>> each_once([("a", 1), ("a", 2)])
    Traceback (most recent call last):
    ValueError: the key 'a' stands in it twice
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {twice!r:.60} stands in it twice")
    return found


def boolean(part: Mapping[str, Any], key: str, name: str) -> bool | None:
    """True, false, or None if the file does not say; a ValueError for anything else, even 1, which equals True.

    >>> boolean({"lstrip": True}, "lstrip", "x"), boolean({}, "lstrip", "x")
    (True, None)
    """
    value = part.get(key)
    if not isinstance(value, bool | None):
        raise ValueError(f"{name}: {key} is {value!r:.120}, not true or false: save the tokenizer anew")
    return value


def expect(name: str, what: str, found: Any, kind: type) -> Any:
    """What was found, if it is of this kind; else a ValueError that names the file, the part and what was expected.

    >>> expect("tokenizer.json", "the model", None, dict)
    Traceback (most recent call last):
    ValueError: tokenizer.json: the model is None, not an object: save the tokenizer anew
    """
    if not isinstance(found, kind) or found is True or found is False:  # in Python a bool is an int
        raise ValueError(f"{name}: {what} is {found!r:.120}, not {KINDS[kind]}: save the tokenizer anew")
    return found
