"""What a prompt may be: a text, or token ids in a list, an array or a tensor; anything else is refused by name.

Also the ids that a text becomes, including what the tokenizer puts around every text, such as BOS.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, SupportsIndex

from tokenizer import Tokenizer

Ids = Sequence[SupportsIndex]  # a list, a tensor of torch, an array of NumPy
Prompt = str | list[int]


def as_prompts(given: object) -> tuple[list[Prompt], bool]:
    """The prompts, and whether they came as several: a list of texts, of lists of ids, or an array of two dimensions.

    Bytes are a text in UTF-8, arrays and tensors of whole numbers are lists of ids. Raises TypeError for what is not a
    prompt, ValueError for bytes that are not UTF-8 and for ids that are not whole numbers.

    >>> as_prompts("one"), as_prompts([1, 2]), as_prompts(["one", b"two", [3]])
    ((['one'], False), ([[1, 2]], False), (['one', 'two', [3]], True))
    >>> as_prompts({"input_ids": [1, 2]})
    Traceback (most recent call last):
    TypeError: a prompt is a text or a list of ids, several are a list, but this is dict: give its "input_ids"
    """
    value = plain(given)
    if isinstance(value, str):
        return [value], False
    if not isinstance(value, Sequence):
        kind = type(given).__name__
        hint = ': give its "input_ids"' if isinstance(given, Mapping) and "input_ids" in given else ""
        raise TypeError(f"a prompt is a text or a list of ids, several are a list, but this is {kind}{hint}")
    if value and not isinstance(plain(value[0]), str | Sequence) and value[0] is not None:
        return [token_ids(value)], False
    return [as_prompt(item) for item in value], True


def as_prompt(given: object) -> Prompt:
    """One prompt, where only one is allowed: a text or a list of ids; raises TypeError for several.

    >>> as_prompt((1, 2)), as_prompt([])
    ([1, 2], [])
    >>> as_prompt([[1, 2]])
    Traceback (most recent call last):
    TypeError: one prompt is wanted here, a text or a list of ids, and this is a list of 1: give one of them
    """
    prompts, several = as_prompts(given)
    if several and prompts:
        raise TypeError(
            f"one prompt is wanted here, a text or a list of ids, and this is a list of {len(prompts)}: "
            "give one of them"
        )
    return prompts[0] if prompts else []


def as_ids(given: object) -> tuple[list[list[int]], bool]:
    """Prompts where only ids are allowed, and whether they came as several; an empty list is one empty prompt.

    >>> as_ids([[1], [2, 3]]), as_ids([])
    (([[1], [2, 3]], True), ([[]], False))
    """
    prompts, several = as_prompts(given)
    lists = [prompt for prompt in prompts if not isinstance(prompt, str)]
    if len(lists) < len(prompts):
        raise TypeError("this is a text, and there is no tokenizer here: give ids, or use the generate of minigpt.load")
    return lists or [[]], several and bool(prompts)


def encode(tokenizer: Tokenizer | None, prompt: Prompt, allow_special: str | Collection[str] = ()) -> list[int]:
    """A text's ids with those that the tokenizer puts around every text; ids are left as they are.

    >>> from tokenizer.vocabulary import Vocabulary
    >>> tok = Tokenizer.of(Vocabulary({b"a": 0}, special_tokens={"<s>": 1}, before=(1,)))
    >>> encode(tok, "aa"), encode(tok, "<s>a", allow_special="all"), encode(tok, [0])
    ([1, 0, 0], [1, 1, 0], [0])
    """
    if not isinstance(prompt, str):
        return prompt
    if tokenizer is None:
        raise ValueError("this checkpoint has no vocabulary: give ids, not text")
    around = tokenizer.vocabulary
    return [*around.before, *tokenizer.encode(prompt, allow_special), *around.after]


def start_of(tokenizer: Tokenizer | None, prompt: Prompt) -> list[int]:
    """The ids that a text is continued from: a prompt that is a special token's name and nothing else is that token.

    >>> from tokenizer.vocabulary import Vocabulary
    >>> tok = Tokenizer.of(Vocabulary({b"a": 0}, special_tokens={"<s>": 1, "<end>": 2}, before=(1,)))
    >>> start_of(tok, "<end>"), start_of(tok, "<s>"), start_of(tok, "a")
    ([1, 2], [1], [1, 0])
    """
    if tokenizer is None or not isinstance(prompt, str) or prompt not in tokenizer.special_tokens:
        return encode(tokenizer, prompt)
    id, before = tokenizer.special_tokens[prompt], tokenizer.vocabulary.before
    return [*before] if id in before else [*before, id]


def plain(value: Any) -> Any:
    """A text for bytes, a list for an array or a tensor, and everything else as it is."""
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return bytes(value).decode("utf-8")
        except UnicodeDecodeError as error:
            where = f"{error.reason} at byte {error.start}"
            raise ValueError(
                f"these bytes are no text in UTF-8 ({where}): decode them, or give ids as a list"
            ) from None
    return value.tolist() if hasattr(value, "tolist") else value


def token_ids(values: Sequence[Any]) -> list[int]:
    """Whole numbers of any kind as a list of int; a ValueError names the first that is not one.

    >>> token_ids([1, True])
    Traceback (most recent call last):
    ValueError: id True is not a token's: ids are whole numbers from 0 up
    """
    if all(type(value) is int for value in values):
        return list(values)
    ids = []
    for value in values:
        number = plain(value)
        if isinstance(number, bool) or not hasattr(number, "__index__"):
            raise ValueError(f"id {value!r:.60} is not a token's: ids are whole numbers from 0 up")
        ids.append(number.__index__())
    return ids
