"""Chat: the answer of an instruction-tuned model to a conversation, in the words its template puts around it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minigpt.chat.format import ChatFormat
from minigpt.chat.template import Message

if TYPE_CHECKING:
    from minigpt.language_model import LanguageModel, Stream

ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
USUAL_NEW_TOKENS = 512  # an answer's length where neither caller nor checkpoint says one


def chat(lm: "LanguageModel", messages: Sequence[Message], **settings: Any) -> Any:
    """The answer to a conversation: a `Completion`, or a list of them with num_return_sequences.

    The settings are those of `lm.generate`; the answer ends at any end token that the checkpoint names. Raises
    ValueError for a model without chat template, for messages that are none, and where they do not fit.
    """
    told = format_of(lm)
    return lm.generate(told.ids(messages), **with_defaults(lm, told, settings))


def chat_stream(lm: "LanguageModel", messages: Sequence[Message], **settings: Any) -> "Stream":
    """The answer that `chat` gives, piece by piece as it grows."""
    told = format_of(lm)
    return lm.stream(told.ids(messages), **with_defaults(lm, told, settings))


def with_defaults(lm: "LanguageModel", told: ChatFormat, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The caller's settings, with every end token of the checkpoint and room for an answer of some length."""
    ends = lm.generation_config.get("eos_token_id")
    ends = list(lm.settings({"eos_token_id": ends}).eos_token_id) if ends is not None else []
    name = told.variables.get("eos_token")
    if name in told.tokenizer.special_tokens:
        ends.append(told.tokenizer.special_tokens[name])
    length = lm.generation_config.get("max_new_tokens") or USUAL_NEW_TOKENS
    return {"eos_token_id": tuple(dict.fromkeys(ends)), "usual_new_tokens": length} | dict(settings)


def format_of(lm: "LanguageModel") -> ChatFormat:
    """How a loaded checkpoint writes conversations; ValueError where it does not, as base models don't."""
    if lm.chat_template is None or lm.tokenizer is None:
        lacking = "vocabulary" if lm.tokenizer is None else "chat template"
        raise ValueError(
            f"{lm.name or 'this model'} has no {lacking}, it only continues text: "
            "use generate, or chat with an instruction-tuned model such as smollm2-135m-instruct"
        )
    names = special_names(lm.generation_config, lm.tokenizer.tokens, lm.path)
    return ChatFormat(lm.chat_template, lm.tokenizer, names)


def special_names(config: Mapping[str, Any], tokens: Mapping[int, bytes], path: Path | None) -> dict[str, str]:
    """What the template calls bos_token, eos_token and so on: as tokenizer_config.json says, else by the ids' names.

    >>> special_names({"bos_token_id": 1, "eos_token_id": [2, 3]}, {1: b"<s>", 2: b"</s>", 3: b"<end>"}, None)
    {'bos_token': '<s>', 'eos_token': '</s>'}
    """
    if path is not None and (path / "tokenizer_config.json").is_file():
        data = json.loads((path / "tokenizer_config.json").read_text(encoding="utf-8"))
        given = {role: data.get(role) for role in ROLES}  # a text, or an object with one
        texts = {role: value.get("content") if isinstance(value, dict) else value for role, value in given.items()}
        return {role: text for role, text in texts.items() if isinstance(text, str)}
    ids: dict[str, Any] = {role: config.get(f"{role}_id") for role in ROLES}
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
