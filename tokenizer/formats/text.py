"""Reading text and JSON files: the one place that says what is wrong with them."""

import codecs
import json
from pathlib import Path
from typing import Any

KINDS = {dict: "an object", list: "a list", str: "a text", int: "a whole number"}


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """The text of a file, its line ends as they are, without a byte-order mark.

    Raises OSError where it cannot be read, ValueError where its bytes are not in the encoding, naming the place.

    >>> import os
    >>> read_text(Path(os.devnull))
    ''
    """
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


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; a ValueError where there is none.

    >>> import os
    >>> read_json(Path(os.devnull))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: ...null is not JSON (Expecting value: line 1 column 1 (char 0))
    """
    text = read_text(path)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error})") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path} holds a JSON {type(data).__name__}, not an object")
    return data


def expect(name: str, what: str, found: Any, kind: type) -> Any:
    """What was found, if it is of this kind; else a ValueError that names file, part and both.

    >>> expect("tokenizer.json", "the model", None, dict)
    Traceback (most recent call last):
    ValueError: tokenizer.json: the model is None, not an object: save the tokenizer anew
    """
    if not isinstance(found, kind) or found is True or found is False:  # in Python a bool is an int
        raise ValueError(f"{name}: {what} is {found!r:.120}, not {KINDS[kind]}: save the tokenizer anew")
    return found
