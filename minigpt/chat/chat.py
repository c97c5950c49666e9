"""What a chat adds to generation: the chat format, its end tokens, and what is kept when the context is full."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minigpt.chat.format import ChatFormat
from minigpt.chat.template import Message
from tokenizer import Tokenizer
from tokenizer.formats.text import read_json

ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
USUAL_NEW_TOKENS = 512  # an answer's length where neither caller nor checkpoint says one


def chat_format(
    template: str | None,
    tokenizer: Tokenizer | None,
    generation_config: Mapping[str, Any],
    path: Path | None = None,
    name: str = "",
) -> ChatFormat:
    """How a checkpoint writes conversations; ValueError where it does not, as base models don't.

    `path` is the checkpoint's folder, whose tokenizer_config.json names the special tokens; `name` is for the message.
    """
    if template is None or tokenizer is None:
        lacking = "vocabulary" if tokenizer is None else "chat template"
        raise ValueError(
            f"{name or 'this model'} has no {lacking}, it only continues text: "
            "use generate, or chat with an instruction-tuned model such as smollm2-135m-instruct"
        )
    return ChatFormat(template, tokenizer, special_names(generation_config, tokenizer.tokens, path))


def with_defaults(
    settings: Mapping[str, Any], chat: ChatFormat, generation_config: Mapping[str, Any]
) -> dict[str, Any]:
    """The caller's settings, with every end token of the checkpoint and room for an answer of some length."""
    given = generation_config.get("eos_token_id")
    ends = list(given) if isinstance(given, Sequence) else [] if given is None else [given]
    name = chat.variables.get("eos_token")
    if name is not None and name in chat.tokenizer.special_tokens:
        ends.append(chat.tokenizer.special_tokens[name])
    length = generation_config.get("max_new_tokens") or USUAL_NEW_TOKENS
    return {"eos_token_id": tuple(dict.fromkeys(ends)), "usual_new_tokens": length} | dict(settings)


def special_names(config: Mapping[str, Any], tokens: Mapping[int, bytes], path: Path | None) -> dict[str, str]:
    """What the template calls bos_token, eos_token and so on: as tokenizer_config.json says, else by the ids' names.

    >>> special_names({"bos_token_id": 1, "eos_token_id": [2, 3]}, {1: b"<s>", 2: b"</s>", 3: b"<end>"}, None)
    {'bos_token': '<s>', 'eos_token': '</s>'}
    """
    if path is not None and (path / "tokenizer_config.json").is_file():
        data = read_json(path / "tokenizer_config.json")
        given = {role: data.get(role) for role in ROLES}  # a text, or an object with one
        texts = {role: value.get("content") if isinstance(value, dict) else value for role, value in given.items()}
        return {role: text for role, text in texts.items() if isinstance(text, str)}
    ids = {role: config.get(f"{role}_id") for role in ROLES}
    first = {role: value[0] if isinstance(value, list) and value else value for role, value in ids.items()}
    return {role: tokens[id].decode() for role, id in first.items() if isinstance(id, int) and id in tokens}


def fit(chat: ChatFormat, messages: Sequence[Message], room: int) -> tuple[list[int], list[Message]]:
    """The ids of as much of a conversation as `room` tokens hold, and its messages.

    The oldest turns go first, each a question with its answer; what stands before the first question stays.
    Raises ValueError where the last question alone is too long.
    """
    kept = list(messages)
    while len(ids := chat.ids(kept)) > room:
        questions = [i for i, message in enumerate(kept) if message["role"] == "user"]
        if len(questions) < 2:
            raise ValueError(f"the last message makes {len(ids)} tokens, there is room for {room}: shorten it")
        del kept[questions[0] : questions[1]]
    return ids, kept
