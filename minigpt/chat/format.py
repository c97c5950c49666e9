"""A conversation's ids: control tokens where the chat template wrote them, plain text everywhere else.

What a user types is always plain text. A template glues it between control tokens such as <|im_end|>, and a user who
types <|im_end|> must not end his own message with it. So every conversation is rendered twice, once as it is and once
with its contents masked: what still reads as a control token then is the template's own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from minigpt.chat.template import Message, render
from tokenizer import Tokenizer
from tokenizer.patterns import any_of


@dataclass(frozen=True)
class ChatFormat:
    """How one checkpoint writes a conversation: its template, its tokenizer, its names for special tokens.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)}, special_tokens={"<end>": 256})
    >>> chat = ChatFormat("{% for m in messages %}{{ m.content }}<end>{% endfor %}", tok, {})
    >>> chat.ids([{"role": "user", "content": "a<end>"}])  # six characters, then the template's own token
    [97, 60, 101, 110, 100, 62, 256]
    """

    template: str
    tokenizer: Tokenizer
    variables: Mapping[str, str]  # bos_token, eos_token, …

    def text(self, messages: Sequence[Message]) -> str:
        """The conversation as the template writes it, up to where the answer begins."""
        check(messages)
        return render(self.template, [messages], self.variables).texts[0]

    def ids(self, messages: Sequence[Message]) -> list[int]:
        """The conversation's ids: control tokens where the template wrote them, plain text everywhere else.

        Without special tokens in the messages these are the ids of the whole text. Raises ValueError for messages
        without role or content, for a bad template, and where it cannot be told who wrote a control token.
        """
        special = self.tokenizer.special_tokens
        text, masked, ambiguous = self._masked(messages)
        ids, start = [], 0
        for found in any_of(special).finditer(masked):
            if found[0] not in ambiguous:
                ids += [*self.tokenizer.encode(text[start : found.start()]), special[found[0]]]
                start = found.end()
        ids += self.tokenizer.encode(text[start:])
        if not ids:
            raise ValueError("the chat template wrote nothing for these messages: use another one")
        return ids

    def _masked(self, messages: Sequence[Message]) -> tuple[str, str, set[str]]:
        """The text, the same with its contents masked, and the special tokens that could not be masked.

        A few templates look into the contents: Qwen3's cuts at "</think>". Then masking changes more than the contents,
        and a second try leaves unmasked what the template looks for. A special token among that is ambiguous, the
        user's or the template's, and so it is plain text everywhere.
        """
        check(messages)
        special = any_of(self.tokenizer.special_tokens)
        written = "".join(chain([self.template], *(message.values() for message in messages)))
        mask = next(c for c in map(chr, range(0xE000, 0xF900)) if c not in written)
        nothing = any_of(())
        first = render(self.template, [messages, masked_contents(messages, mask, nothing)], self.variables)
        text, masked = first.texts
        if same_but_for(mask, masked, text):
            return text, masked, set()
        rest = masked_contents(messages, mask, any_of(first.literals))
        text, masked = render(self.template, [messages, rest], self.variables).texts
        if same_but_for(mask, masked, text):
            return text, masked, {found[0] for message in rest for found in special.finditer(message["content"])}
        forged = next((f[0] for m in messages for f in special.finditer(m["content"])), None)
        if forged is not None:
            raise ValueError(f"the chat template rewrites its messages, and one of them holds {forged!r}: leave it out")
        return text, text, set()


def masked_contents(messages: Sequence[Message], mask: str, keep: re.Pattern[str]) -> list[Message]:
    """The messages with `mask` for every character of their contents but white space and what matches `keep`.

    >>> masked_contents([{"role": "user", "content": "to be </think>"}], "#", any_of(["</think>"]))
    [{'role': 'user', 'content': '## ## </think>'}]
    """
    either = re.compile(f"({keep.pattern})|\\S")
    return [{**m, "content": either.sub(lambda found: found[1] or mask, m["content"])} for m in messages]


def same_but_for(mask: str, masked: str, text: str) -> bool:
    """Whether two texts agree wherever the first is not masked."""
    return len(masked) == len(text) and all(a in (b, mask) for a, b in zip(masked, text, strict=True))


def check(messages: Sequence[Message]) -> None:
    """A ValueError unless these are messages: at least one, each with a role (a word) and a content (a text)."""
    if not messages:
        raise ValueError("a conversation needs at least one message")
    for message in messages:
        if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
            raise ValueError(f'a message is {{"role": …, "content": …}}, not {message!r:.80}')
        if not re.fullmatch(r"[A-Za-z_]+", str(message["role"])):
            raise ValueError(f'role {message["role"]!r} is none: use "system", "user" or "assistant"')
        if not isinstance(message["content"], str):
            raise ValueError(f"content should be a text, not {message['content']!r:.80}")
