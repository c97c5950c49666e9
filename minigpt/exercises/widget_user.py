"""A user of a learner's box of widgets, without a page: sets its widgets, clicks, and looks at what comes."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple

from minigpt.exercises.sandbox import TooLong, put

PATIENCE = 0.3  # seconds that a click has, if a thread waits for its return
EARLY = (" early",)  # what a model gives that nobody asked for


class Click(NamedTuple):
    """A click on Generate, after every value was changed, or none; and the pieces that the model then gives."""

    pieces: tuple[str, ...]
    changed: bool = True

    def __repr__(self) -> str:
        return f"{'other values, ' * self.changed}click giving {list(self.pieces)}"


def use(part: Callable[..., Any], *clicks: Click) -> Any:
    """What a user of the box that `part` makes finds; None if it makes none. Raises what the part's code raises."""
    from minigpt.exercises.widget_box import Box
    from minigpt.exercises.widget_page import unplugged

    user = User(part, Box, clicks)
    with unplugged(user):
        user.page.start()
        try:
            while user.page.is_alive():
                user.page.join(0.02)  # in short: what stops this thread comes between two steps
        except BaseException:
            running = [thread for thread in (user.page, *user.threads) if thread.ident and thread.is_alive()]
            for thread in running:
                put(thread.ident or 0, TooLong)
            for thread in running:
                thread.join(PATIENCE)
            raise
    for wrong in user.errors:
        raise wrong
    return user.found or None


class User:
    """One use of a box, by a thread that stands for the kernel's own; what it finds, in the order of time."""

    CLEAR = "\033[2K"  # what IPython's clear_output prints without a page

    def __init__(self, part: Callable[..., Any], box: Callable[[Any], Any], clicks: Sequence[Click]) -> None:
        self.part, self.make_box, self.clicks = part, box, clicks
        self.box: Any = None
        self.page = threading.Thread(target=self.run, daemon=True)
        self.threads: list[threading.Thread] = []  # that the part has started
        self.futures: list[Future[Any]] = []  # and what it gave to executors
        self.errors: list[BaseException] = []
        self.found: dict[str, Any] = {}
        self.entered: list[Any] = []  # the Outputs that are open by `with`
        self.late: list[Any] = []  # the Outputs that clear_output() will have cleared in a moment
        self.given: list[str] = []  # the pieces of all texts
        self.pieces: Sequence[str] = EARLY
        self.asked: list[dict[str, Any]] = []
        self.first, self.printed, self.blocked, self.listening = "", "", False, True
        self.waits = ""  # the click whose thread has not asked a model yet
        self.returned = threading.Event()

    def run(self) -> None:
        """Use the box; an error is kept."""
        try:
            asyncio.run(self.go())
        except BaseException as error:
            self.errors.append(error)

    async def go(self) -> None:
        """Build the box, and do what the clicks say."""
        self.returned.set()
        made = self.part({name: self.model(name) for name in ("storyteller", "gpt2")})
        self.listening = False
        if made is None:
            return
        self.box = self.make_box(made)
        await self.settle("when the box is built")
        for n, click in enumerate(self.clicks, start=1):
            if click.changed:
                self.box.change(n)
                await self.settle("when a value is changed")
            await self.click(f"click {n}", click)

    async def settle(self, when: str) -> None:
        """Wait until nothing is running; note if a model was asked though nobody has clicked."""
        await self.wait()
        if self.asked:
            self.found[when] = "a model is asked"
        self.asked = []

    async def click(self, name: str, click: Click) -> None:
        """Click, wait until all is done, and note what came of it."""
        self.pieces, self.asked, self.first, self.printed, self.blocked = click.pieces, [], "", "", False
        self.given += click.pieces
        self.returned.clear()
        self.listening, self.waits = True, name
        did = self.box.press()
        self.listening = False
        self.returned.set()
        await self.wait()
        self.found[name] = "returns when the text is done" if self.blocked else did
        self.found |= {f"{name}, {field}": told for field, told in (self.asked or [{}])[0].items()}
        if len(self.asked) != 1:
            self.found[f"{name}, the model is asked"] = f"{len(self.asked)} times"
        self.found[f"{name}, with the first piece"], text = self.first, self.box.text(self.given)
        self.found[f"{name}, in the end"] = text
        if not text and "".join(click.pieces) and all(piece.strip() in self.printed for piece in click.pieces):
            self.found[f"{name}, printed elsewhere"] = "all of the text"
        self.pieces, self.asked = EARLY, []

    async def wait(self) -> None:
        """Wait for threads, executors and tasks; raise what went wrong in them."""
        from concurrent.futures.thread import _threads_queues as workers  # they wait for more work, for ever

        while any(t.is_alive() and t not in workers for t in self.threads) or not all(f.done() for f in self.futures):
            await asyncio.sleep(0.001)
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            done = await asyncio.gather(*tasks, return_exceptions=True)
            self.errors += [error for error in done if isinstance(error, BaseException)]
        self.errors += [error for f in self.futures if not f.cancelled() and (error := f.exception()) is not None]
        self.futures = []
        if self.errors:
            raise self.errors.pop(0)

    def model(self, name: str) -> Callable[[str, str, float], Iterator[str]]:
        """A stand-in for a model: notes how it is asked, and gives the pieces that it should give."""

        def stream(prompt: str, strategy: str, temperature: float) -> Iterator[str]:
            given = {"model": name, "prompt": prompt, "strategy": strategy, "temperature": temperature}
            self.waits = ""  # what is read from now on is too late for the model
            self.asked.append({field: self.box.told(field, got) for field, got in given.items()} if self.box else given)
            for n, piece in enumerate(self.pieces):
                self.look_at_the_clock()
                yield piece
                if self.box and n == 0:
                    self.first = self.box.text(self.given)
                    while self.late:
                        self.late.pop().outputs = ()
            self.look_at_the_clock()

        stream.__name__ = name
        return stream

    def look_at_the_clock(self) -> None:
        """Note if a click has not returned though the text is being made; in a thread it gets a moment to do so."""
        if not self.returned.is_set() and not self.blocked:
            self.blocked = threading.current_thread() is self.page or not self.returned.wait(PATIENCE)

    def started(self, start: Callable[[threading.Thread], None], thread: threading.Thread) -> None:
        """A thread starts: those of the part are waited for."""
        if threading.current_thread() in (self.page, *self.threads):
            self.threads.append(thread)
        start(thread)

    def submitted(self, submit: Callable[..., Future[Any]], *args: Any, **kw: Any) -> Future[Any]:
        """An executor gets work: it is waited for."""
        self.futures.append(submit(*args, **kw))
        return self.futures[-1]

    def failed(self, hook: Callable[[Any], object], args: Any) -> None:
        """A thread ends with an error."""
        if args.thread in self.threads:
            self.errors.append(args.exc_value)
        else:
            hook(args)

    def cleared(self, out: Any) -> None:
        """An Output is cleared: at once for what the click's code then prints, late for what a thread puts in."""
        if self.heard():
            out.outputs = ()
            self.late.append(out)

    def read(self, name: str | None, widget: Any) -> None:
        """A value is read: too late if a thread does it that has not asked yet, instead of the click's own code."""
        if name == "value" and self.waits and not self.heard() and widget in self.box.chosen:
            self.found[f"{self.waits}, a value is read"] = "in the thread"

    def wrote(self, text: str) -> None:
        """Something is printed: by the click's own code it goes where `with output:` says, else nobody knows where."""
        if not self.heard() or not self.entered:
            self.printed += text
        elif text.startswith(self.CLEAR):
            self.cleared(self.entered[-1])
        elif text:
            with suppress(ValueError):
                self.late.remove(self.entered[-1])
            self.entered[-1].append_stdout(text)

    def heard(self) -> bool:
        """Whether the page listens: while a click, or the cell that makes the box, has not returned."""
        return self.listening and threading.current_thread() is self.page
