"""Files of chats: each line a JSON object {"messages": [{"role": …, "content": …}, …]}, the usual format."""

import json
from pathlib import Path
from typing import Any

from minigpt.chat.chat import chat_format, special_names
from minigpt.chat.format import ChatFormat
from minigpt.chat.messages import checked
from minigpt.train.data import read_text
from tokenizer import Tokenizer
from weights.companions import read_chat_template
from weights.formats.folder import read_json

TEMPLATE = """\
{{- bos_token }}
{%- for message in messages %}
    {{- message.role + '\\n' }}
    {%- if message.role == 'assistant' %}
        {%- generation %}{{- message.content + eos_token }}{%- endgeneration %}
    {%- else %}
        {{- message.content + eos_token }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- 'assistant\\n' }}
{%- endif %}"""  # of a base model: the end token, which no text can hold, ends every turn
Conversation = list[dict[str, Any]]


def read_chats(path: Path, encoding: str = "utf-8") -> tuple[dict[int, Conversation], str]:
    """The conversations of a file by the numbers of their lines, and the file's text.

    Raises ValueError, naming the line, for one that is not a chat or has nothing to learn from.
    """
    text, found = read_text(path, encoding), {}
    for n, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                found[n] = conversation(line)
            except ValueError as error:
                raise ValueError(f"{path}, line {n}: {error}") from None
    if not found:
        raise ValueError(f'{path} holds no chats: give lines such as {{"messages": [{{"role": "user", …}}, …]}}')
    return found, text


def conversation(line: str) -> Conversation:
    """The messages of a line, checked.

    >>> conversation('{"messages": [{"role": "user", "content": "Hi"}]}')
    Traceback (most recent call last):
    ValueError: no message is the assistant's: there is no answer to learn
    """
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"this is no JSON object ({error}): write each chat on one line") from None
    if not isinstance(data, dict) or "messages" not in data:
        raise ValueError('a chat is {"messages": [{"role": …, "content": …}, …]}, on one line')
    more = [name for name in data if name != "messages"]
    if more:
        raise ValueError(f'{more[0]!r:.60} beside "messages" would be read by nobody: leave it out')
    messages = checked(data["messages"])
    roles = [message["role"] for message in messages]
    if "assistant" not in roles:
        raise ValueError("no message is the assistant's: there is no answer to learn")
    if roles[0] == "assistant":
        raise ValueError("the first message is the assistant's: begin with the user's or a system message")
    return messages


def format_of(folder: Path, tokenizer: Tokenizer) -> ChatFormat:
    """How chats are written by the template and the special tokens' names in a folder with a model's companions."""
    return chat_format(read_chat_template(folder), tokenizer, read_json(folder / "generation_config.json"), folder)


def template_files(folder: Path, tokenizer: Tokenizer) -> dict[str, str]:
    """What a model with these companions lacks for a chat, by file name: TEMPLATE and the tokens that it names;
    nothing where there is a template. Raises ValueError where no end token is known: it could not learn to stop."""
    if read_chat_template(folder) is not None:
        return {}
    file = folder / "tokenizer_config.json"
    names = special_names(read_json(folder / "generation_config.json"), tokenizer.tokens, folder)
    if names.get("eos_token") not in tokenizer.special_tokens:
        raise ValueError("the model names no end token (eos_token), so it could not learn to end an answer: add one")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **(read_json(file) if file.exists() else {}), **names}
    return {"chat_template.jinja": TEMPLATE, file.name: json.dumps(config, indent=2) + "\n"}
