"""The answer to a job on a model: a single result, or events as they come."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Generator
from typing import Protocol, TypeVar

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from minigpt.playground.shelf import Loaded
from minigpt.playground.wire import Refused
from minigpt.playground.work import Event, Job

T = TypeVar("T")


class Told(Protocol):
    """Work that reports what it finds: what is known before, then an event for each step."""

    def start(self) -> Event: ...
    def events(self) -> Generator[Event, None, None]: ...


class Events(StreamingResponse):
    """Server-sent events of a job, which ends together with the answer: at its last event, or when the reader is gone.

    `stop` is called then, for a step that could take long.
    """

    def __init__(self, loaded: Loaded, work: Told, stop: Callable[[], None] = lambda: None) -> None:
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def give(event: Event | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is waiting any more
                loop.call_soon_threadsafe(self.queue.put_nowait, event)

        self.job, self.stop = Job(work.events(), give), stop
        place = loaded.worker.submit(self.job)
        super().__init__(self.lines({**work.start(), "place": place}), media_type="text/event-stream")

    async def lines(self, event: Event | None) -> AsyncIterator[str]:
        """The events as the protocol writes them."""
        while event is not None:
            yield f"data: {json.dumps(event, ensure_ascii=False, allow_nan=False)}\n\n"
            event = await self.queue.get()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.job.cancel()
            self.stop()


async def once(loaded: Loaded, compute: Callable[[], T]) -> T:
    """What a single step of work on a model gives; it goes before texts that are being written."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[T] = loop.create_future()

    def settle(event: Event) -> None:
        if not told.done():
            if "found" in event:
                told.set_result(event["found"])
            else:
                told.set_exception(Refused(event["status"], event["error"]))

    def give(event: Event | None) -> None:
        if event is not None:
            loop.call_soon_threadsafe(settle, event)

    def steps() -> Generator[Event, None, None]:
        yield {"found": compute()}

    job = Job(steps(), give)
    loaded.worker.submit(job, first=True)
    try:
        return await told
    finally:
        job.cancel()
