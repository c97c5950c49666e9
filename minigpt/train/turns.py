"""From chats to ids: which of a conversation's tokens are an answer's.

A chat template writes the conversation twice for every answer: up to where it begins, which the model is given in a
chat, and with it, which it is to learn to write. The difference is the answer with its end token.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from minigpt.chat.format import ChatFormat
from minigpt.chat.messages import check_read, strings
from minigpt.chat.template import render
from minigpt.train.answers import Chat, Chats
from minigpt.train.chats import Conversation
from tokenizer import Tokenizer
from tokenizer.patterns import any_of

TOGETHER = 100  # chats that one process renders


class Counts(NamedTuple):
    """What became of a file's chats."""

    chats: int
    answers: int  # that are learnt
    cut: int  # chats that lost their last turns
    left_out: int  # chats whose first answer is already too far away

    def __str__(self) -> str:
        told = f"{self.chats:,} chats with {self.answers:,} answers"
        lost = {"cut after a whole turn": self.cut, "left out": self.left_out}
        words = " and ".join(f"{n:,} {what}" for what, n in lost.items() if n)
        return f"{told}; {words}, being longer than a block" if words else told


def encode_chats(
    conversations: Mapping[int, Conversation], chat: ChatFormat, block_size: int, where: Path
) -> tuple[Chats, Counts]:
    """The conversations as ids. One of more than T + 1 tokens ends after its last answer that fits.

    Raises ValueError, naming the line, for what the template refuses or would drop, and for a control token in
    a message: typed in a chat, it would be plain text.
    """
    special, counts, found = any_of(chat.tokenizer.special_tokens), [], []
    numbers = [*conversations]
    for start in range(0, len(numbers), TOGETHER):
        part = {n: conversations[n] for n in numbers[start : start + TOGETHER]}
        for n, messages in part.items():
            forged = next((match[0] for said in strings(messages) for match in special.finditer(said)), None)
            if forged is not None:
                raise ValueError(f"{where}, line {n}: {forged!r} in a message is a control token: leave it out")
        for n, turns in written(part, chat, where).items():
            try:
                chats = encode_turns(turns, chat.tokenizer, block_size + 1)
            except ValueError as error:
                raise ValueError(f"{where}, line {n}: {error}") from None
            n_answers = sum(len(ends(one)) for one in chats)
            counts.append((1, n_answers, bool(chats) and n_answers < len(turns), not chats))
            found += chats
    if not found:
        raise ValueError(f"{where}: no chat fits into a block of {block_size} tokens: give more with --block-size")
    return Chats(found), Counts(*map(sum, zip(*counts, strict=True)))


def written(part: Mapping[int, Conversation], chat: ChatFormat, where: Path) -> dict[int, list[tuple[str, str]]]:
    """For every answer in these conversations, what the template writes before it, and the same with the answer."""
    places = [(n, i) for n, messages in part.items() for i, m in enumerate(messages) if m["role"] == "assistant"]
    try:
        before = render(chat.template, [part[n][:i] for n, i in places], chat.variables)
        no_prompt = {**chat.variables, "add_generation_prompt": False}
        after = render(chat.template, [part[n][: i + 1] for n, i in places], no_prompt)
        found: dict[int, list[tuple[str, str]]] = {n: [] for n in part}
        for (n, _), *both in zip(places, before.texts, after.texts, strict=True):
            check_read(part[n], before.words)
            found[n].append((both[0], both[1]))
    except ValueError as error:
        if len(part) > 1:  # whose fault is it?
            return {m: turns for n in part for m, turns in written({n: part[n]}, chat, where).items()}
        raise ValueError(f"{where}, line {next(iter(part))}: {error}") from None
    return found


def encode_turns(turns: Sequence[tuple[str, str]], tokenizer: Tokenizer, most: int) -> list[Chat]:
    """The ids of a conversation, as far as `most` tokens hold it. It becomes several if the template writes an answer
    differently once the next question is there, as Qwen3's does, which drops the model's thoughts: each is learnt after
    what a chat would show then."""
    chats: list[Chat] = []
    text = ""
    for before, after in turns:
        if not after.startswith(before):
            raise ValueError("the chat template does not write an answer behind its own prompt for one: use another")
        if not chats or not before.startswith(text):
            chats.append(Chat([], []))
            text = ""
        question = tokenizer.encode(before[len(text) :], allow_special="all")
        answer = tokenizer.encode(after[len(before) :], allow_special="all")
        last = next((i for i in range(len(answer), 0, -1) if answer[i - 1] in tokenizer.special_tokens.values()), 0)
        if not last:
            raise ValueError("the chat template writes no control token after an answer, which would have no end")
        chat, rest = chats[-1], len(answer) - last
        if len(chat.ids) + len(question) + last > most:
            break
        chat.ids.extend(question + answer)
        chat.learnt.extend([False] * len(question) + [True] * last + [False] * rest)
        text = after
    return [Chat(chat.ids[: ends(chat)[-1]], chat.learnt[: ends(chat)[-1]]) for chat in chats if chat.ids]


def ends(chat: Chat) -> list[int]:
    """Where the answers of a chat end.

    >>> ends(Chat([5, 6, 7, 8, 9], [False, True, True, False, True]))
    [3, 5]
    """
    following = [*chat.learnt[1:], False]
    return [i for i, (now, then) in enumerate(zip(chat.learnt, following, strict=True), start=1) if now and not then]


def n_bytes(chats: Chats, tokenizer: Tokenizer) -> int:
    """How many bytes the texts of all answers have."""
    control = set(tokenizer.special_tokens.values())
    learnt = (id for chat in chats.chats for id, is_learnt in zip(chat.ids, chat.learnt, strict=True) if is_learnt)
    return max(1, len(tokenizer.decode_bytes([id for id in learnt if id not in control])))
