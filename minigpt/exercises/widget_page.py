"""What takes the place of a page while a learner's box of widgets is used, and of threads that are started there.

As tried in JupyterLab 4.6: what a click's code prints within `with output:` lands in that Output, what a thread or a
later task prints does not; the page carries out `clear_output()` after a thread has put its first piece there.
"""

import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from IPython import get_ipython
from ipywidgets import Output, Widget
from traitlets import TraitType

if TYPE_CHECKING:
    from minigpt.exercises.widget_user import User


@contextmanager
def unplugged(user: "User") -> Iterator[None]:
    """Inside it no widget opens a connection to a page, and a user learns what is started, printed, and goes wrong."""
    start, submit, hook = threading.Thread.start, ThreadPoolExecutor.submit, threading.excepthook
    get = TraitType.get

    def read(trait: Any, *of: Any) -> Any:
        user.read(trait.name, of[0])
        return get(trait, *of)

    places: list[tuple[Any, str, Any]] = [
        (Widget, "open", lambda _: None),
        (TraitType, "get", read),
        (Output, "__enter__", lambda out: user.entered.append(out)),
        (Output, "__exit__", lambda out, *_: user.entered.remove(out)),
        (Output, "clear_output", lambda out, *_, **__: user.cleared(out)),
        (threading.Thread, "start", lambda thread: user.started(start, thread)),
        (ThreadPoolExecutor, "submit", lambda pool, *args, **kw: user.submitted(submit, pool, *args, **kw)),
        (threading, "excepthook", lambda args: user.failed(hook, args)),
    ]
    shell = get_ipython()
    if shell is not None:  # display and clear_output talk to the page through this
        places.append(
            (shell.display_pub, "publish", lambda data, *_, **__: user.wrote(str(data.get("text/plain", ""))))
        )
        places.append((shell.display_pub, "clear_output", lambda *_, **__: user.wrote(user.CLEAR)))
    with ExitStack() as stack:
        for place, name, new in places:
            stack.enter_context(patch.object(place, name, new))
        stack.enter_context(redirect_stdout(Screen(user.wrote)))
        yield


class Screen(io.StringIO):
    """Passes on what is printed."""

    def __init__(self, wrote: Callable[[str], None]) -> None:
        super().__init__()
        self.wrote = wrote

    def write(self, text: str) -> int:
        self.wrote(text)
        return len(text)
