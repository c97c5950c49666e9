"""Work on one model, shared fairly: requests take turns, one token each, and a cancelled request stops there."""

import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from minigpt.playground.wire import Refused

AT_ONCE = 8  # requests that take turns; each holds a KV cache
WAITING = 120  # requests that wait for one of these to end

Event = dict[str, Any]
Give = Callable[[Event | None], None]  # takes what a step found; None: that was the last


class Job:
    """A request: a generator whose every step is one token's work, and where its events go."""

    def __init__(self, steps: Generator[Event, None, None], give: Give) -> None:
        self.steps, self.give = steps, give
        self.cancelled = False

    def cancel(self) -> None:
        """Begins no further step; the one under way is finished."""
        self.cancelled = True

    def step(self) -> bool:
        """One step; whether there is more to do."""
        if self.cancelled:
            self.steps.close()
            return False
        try:
            self.give(next(self.steps))
            return True
        except StopIteration:
            pass
        except ValueError as error:  # what the settings ask for turned out impossible
            status = getattr(error, "status", 422)
            self.give({"event": "error", "status": status, "error": " ".join(str(error).split())})
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self.give({"event": "error", "status": 500, "error": f"the server failed: {type(error).__name__}: {error}"})
        self.give(None)
        return False


class Worker:
    """One thread for one model.

    >>> worker, found = Worker(), []
    >>> worker.submit(Job(({"n": n} for n in range(2)), found.append))
    0
    >>> worker.stop()
    >>> found
    [{'n': 0}, {'n': 1}, None]
    """

    def __init__(self, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self.at_once, self.most = at_once, at_once + waiting
        self.jobs: deque[Job] = deque()  # the first `at_once` of them take turns
        self.changed = threading.Condition()
        self.stopping = False
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def submit(self, job: Job, first: bool = False) -> int:
        """Puts a job behind the others, or `first`; returns how many must end before it. 503 if too many wait."""
        with self.changed:
            for gone in [job for job in self.jobs if job.cancelled]:
                self.drop(gone)
            if len(self.jobs) >= self.most:
                raise Refused(503, f"{len(self.jobs)} requests are under way or wait for this model: try again later")
            self.jobs.insert(0 if first else len(self.jobs), job)
            self.changed.notify()
            return 0 if first else max(0, len(self.jobs) - self.at_once)

    def drop(self, job: Job) -> None:
        """Takes a cancelled job out of the queue; one that has begun is closed by its own next turn."""
        if job in list(self.jobs)[self.at_once :]:
            self.jobs.remove(job)

    def work(self) -> None:
        """Turn by turn until `stop`: the first job's step, after which it goes behind those that take turns with it."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.jobs or self.stopping)
                if not self.jobs:
                    return
                job = self.jobs.popleft()
            going = job.step()
            with self.changed:
                if going:
                    self.jobs.insert(self.at_once - 1, job)

    def stop(self, cancel: bool = False) -> None:
        """Ends the thread when the work is done or, with `cancel`, after the step that is under way."""
        with self.changed:
            self.stopping = True
            for job in self.jobs:
                job.cancelled = job.cancelled or cancel
            self.changed.notify()
        self.thread.join(10)
