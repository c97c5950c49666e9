"""Chat templates: a checkpoint's own Jinja program, run in jinja2's sandbox, in a process of its own with limits.

A template comes from whoever made the checkpoint. The sandbox blocks access to Python's internals; the process limits
the rest: a program may loop forever or double a text forty times, and then it is stopped, not this one.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from minigpt.chat.messages import Message

SECONDS = 3  # of computing; a real template needs milliseconds
BYTES = 1 << 29  # of memory
SANDBOX = Path(__file__).with_name("sandbox.py")
PATIENCE = 60  # seconds on the clock, for a busy machine


@dataclass(frozen=True)
class Rendered:
    """One text per conversation, and what the template looks at."""

    texts: list[str]
    literals: list[str]  # that it compares with the messages
    words: list[str] = field(default_factory=list)  # names of attributes, and literals
    variables: list[str] = field(default_factory=list)  # what it reads from outside


def render(template: str, conversations: Sequence[Sequence[Message]], variables: Mapping[str, object]) -> Rendered:
    """Each conversation as the template writes it, up to where the assistant's answer begins.

    The text is that of transformers' `apply_chat_template(messages, tokenize=False, add_generation_prompt=True)`;
    `variables` are the names of special tokens, such as bos_token, the tools, and what else a template may read. Where
    it reads no parts of a content, it gets their texts as one. Raises ValueError for a template that is wrong, that
    refuses the messages, reaches for Python's internals or needs too much time or memory.

    >>> shout = "{% for m in messages %}{{ m.role }}: {{ m.content | upper }}!{% endfor %}{{ eos_token }}"
    >>> render(shout, [[{"role": "user", "content": "hi"}]], {"eos_token": "<end>"}).texts
    ['user: HI!<end>']
    """
    request = {
        "template": template,
        "conversations": [[dict(message) for message in messages] for messages in conversations],
        "variables": dict(variables),
        "now": datetime.now().isoformat(),  # one moment for all conversations
        "seconds": SECONDS,
        "bytes": BYTES,
    }
    command = [sys.executable, "-P", str(SANDBOX)]  # -P: this folder's names shadow no module of Python's own
    try:
        done = subprocess.run(
            command, input=json.dumps(request), capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"the chat template did not finish in {PATIENCE} seconds: use another template") from None
    if done.returncode < 0:
        raise ValueError(f"the chat template needed more than {SECONDS} seconds or {BYTES >> 20} MiB: use another one")
    if done.returncode:
        reason = " ".join(done.stderr.splitlines()[-1:])
        raise ValueError(f"the chat template's process failed: {reason or f'exit code {done.returncode}'}")
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise ValueError(answer["error"])
    return Rendered(**answer)
