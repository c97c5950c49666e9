"""What a caller may say in a conversation: messages, tools and a template's own variables, checked and named.

All of it goes to a template as JSON data, as transformers gives it (apply_chat_template in tokenization_utils_base.py,
utils/chat_template_utils.py): keys whose value is None are left out, and reasoning is given under all of its names.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]  # {"role": "user", "content": "…"}; a tool's answer, a call of tools have more
REASONING = ("reasoning_content", "thinking", "reasoning")  # common names for the model's thoughts
CALLS = ("tool_calls", "tool_call_id", "name")  # what a message about tools may have besides its content
DEPTH = 50  # levels of nested lists and objects; real tools have five


def checked(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages as JSON data; raises ValueError for anything else: each has a role, a word, and a content, a text.

    A content may also be a list of parts {"type": "text", "text": …}, and None where there are `tool_calls`.

    >>> checked([{"role": "assistant", "content": None, "tool_calls": [{"name": "time"}]}])
    [{'role': 'assistant', 'tool_calls': [{'name': 'time'}]}]
    >>> checked([{"role": "user"}])
    Traceback (most recent call last):
    ValueError: a message is {"role": …, "content": …}, not {'role': 'user'}
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
        raise ValueError(
            f'a conversation is a list of messages, {{"role": …, "content": …}} each, not {messages!r:.80}'
        )
    if not messages:
        raise ValueError("a conversation needs at least one message")
    return [checked_message(message) for message in messages]


def checked_message(message: Message) -> dict[str, Any]:
    """One message; see `checked`."""
    calls = isinstance(message, Mapping) and bool(message.get("tool_calls"))
    if not isinstance(message, Mapping) or not {"role", "content"} <= {*message, *(["content"] if calls else [])}:
        raise ValueError(f'a message is {{"role": …, "content": …}}, not {message!r:.80}')
    role, content = message["role"], message.get("content")
    if not isinstance(role, str) or not re.fullmatch(r"[A-Za-z_]{1,64}", role):
        raise ValueError(f'role {role!r:.60} is none: use "system", "user" or "assistant"')
    if isinstance(content, list | tuple):
        for part in content:
            check_part(part)
    elif not isinstance(content, str) and not (content is None and calls):
        raise ValueError(f"content should be a text, not {content!r:.80}")
    data = {name: value for name, value in plain(message, "a message").items() if value is not None}
    thoughts = next((data[name] for name in REASONING if name in data), None)
    return data if thoughts is None else {"thinking": thoughts, **data, "reasoning_content": thoughts}


def check_part(part: object) -> None:
    """Raises ValueError unless a content part is a text: this model sees no images and hears no sounds."""
    if not isinstance(part, Mapping) or part.get("type") != "text":
        kind = part.get("type") if isinstance(part, Mapping) else part
        raise ValueError(f'a part of a content is {{"type": "text", "text": …}}, and this model reads no {kind!r:.60}')
    if not isinstance(part.get("text"), str):
        raise ValueError(f"the text of a part should be a text, not {part.get('text')!r:.80}")


def checked_tools(tools: Sequence[Mapping[str, object]]) -> list[Any]:
    """Tools as JSON data: each a dict, in OpenAI's and transformers' JSON schema for functions."""
    if not isinstance(tools, Sequence) or isinstance(tools, str | bytes):
        raise ValueError(f"tools are a list of JSON schemas, not {tools!r:.80}")
    for tool in tools:
        if not isinstance(tool, Mapping):
            way = ", as transformers.utils.get_json_schema makes one of a function" if callable(tool) else ""
            raise ValueError(f"a tool is a JSON schema, a dict{way}, not {tool!r:.60}")
    found: list[Any] = plain(tools, "tools")
    return found


def plain(value: object, what: str, depth: int = DEPTH) -> Any:
    """The value rebuilt from JSON's own types; a ValueError names what is not one of them.

    >>> plain({"a": (1, None)}, "it"), plain("é", "it")
    ({'a': [1, None]}, 'é')
    >>> plain([{1, 2}], "tools")
    Traceback (most recent call last):
    ValueError: tools: {1, 2} is no JSON value: give texts, numbers, lists and dicts with texts as keys
    """
    if value is None or type(value) in (str, int, float, bool):
        return value
    if not depth:
        raise ValueError(f"{what}: more than {DEPTH} levels of nested lists and dicts")
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {str(name): plain(item, what, depth - 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, what, depth - 1) for item in value]
    raise ValueError(f"{what}: {value!r:.60} is no JSON value: give texts, numbers, lists and dicts with texts as keys")


def strings(value: Any) -> Iterator[str]:
    """Every text in JSON data, names included.

    >>> [*strings({"a": ["b", 1, {"c": "d"}]})]
    ['a', 'b', 'c', 'd']
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield name
            yield from strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)


def check_read(messages: Sequence[Message], words: Sequence[str]) -> None:
    """Raises ValueError for any part of a message that the template does not read: it would be silently dropped.

    `words` are the names and literals in the template. Many templates leave out details of a tool call, such as
    its id: the order of the messages conveys them, too.
    """
    for message in messages:
        about_tools = message["role"] == "tool" or "tool_calls" in message
        for name in message.keys() - {"role", "content", *words}:
            if name in REASONING and not {*REASONING}.isdisjoint(words):
                continue
            if name == "tool_calls" or not (about_tools and name in CALLS):
                raise ValueError(
                    f'a message is {{"role": …, "content": …}}, and the chat template reads no {name!r:.40} of it: '
                    f"leave it out of {message!r:.80}"
                )
