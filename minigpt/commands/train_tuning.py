"""What `minigpt train --chat` reads: chats in place of a text, and the template that formats them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minigpt.commands.train_texts import Note, as_list
from minigpt.train.chats import template_files
from minigpt.train.data import Texts
from minigpt.train.record import RunRecord
from minigpt.train.tuning import chat_texts
from tokenizer import Tokenizer

USUAL_BLOCK = 512  # tokens of a chat


def with_template(companions: dict[str, str], tok: Tokenizer) -> dict[str, str]:
    """The files beside a model, with the chat template that it is tuned with: its own or, where it has none, ours."""
    with RunRecord(companions=companions).files() as folder:
        return companions | template_files(folder, tok)


def read_chat_files(
    asked: Mapping[str, Any], companions: dict[str, str], tok: Tokenizer, note: Note
) -> tuple[Texts, tuple[str, ...]]:
    """The chats in place of texts, and the SHA-256 of each file's text; reports a summary of the chats."""
    files = [Path(file) for name in ("chat", "val") for file in as_list(asked[name])]
    with RunRecord(companions=companions).files() as folder:
        texts, hashes, told = chat_texts(files, folder, tok, asked)
    note(told)
    return texts, hashes
