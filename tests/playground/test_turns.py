"""Requests take turns on a model, stop within a token, and none is lost."""

import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

from minigpt.language_model import LanguageModel
from minigpt.playground import work, writing
from minigpt.playground.shelf import Shelf
from minigpt.playground.wire import Refused
from minigpt.playground.work import Event, Job, Worker
from tests.playground.conftest import Playground, until


def counted(name: str, n: int, done: list[str]) -> Generator[Event, None, None]:
    for _ in range(n):
        done.append(name)
        yield {}


def held(worker: Worker) -> threading.Event:
    """Keeps a worker busy until the event is set."""
    going, begun = threading.Event(), threading.Event()

    def steps() -> Generator[Event, None, None]:
        begun.set()
        going.wait(20)
        yield {}

    worker.submit(Job(steps(), lambda _: None))
    assert begun.wait(20)
    return going


def test_those_that_take_turns_get_a_token_each_and_the_others_wait_their_turn() -> None:
    worker, done = Worker(at_once=2, waiting=5), list[str]()
    going = held(worker)
    places = [worker.submit(Job(counted(name, n, done), lambda _: None)) for name, n in (("a", 4), ("b", 3), ("c", 2))]
    going.set()
    worker.stop()
    assert places == [0, 0, 1]
    assert "".join(done) == "aabababcc"  # b joins when what held the worker has ended, c when a has


def test_a_look_goes_first() -> None:
    worker, done = Worker(), list[str]()
    going = held(worker)
    worker.submit(Job(counted("text", 2, done), lambda _: None))
    worker.submit(Job(counted("look", 1, done), lambda _: None), first=True)
    going.set()
    worker.stop()
    assert done == ["look", "text", "text"]


def test_a_full_queue_says_so_and_what_was_given_up_makes_room() -> None:
    worker = Worker(at_once=1, waiting=2)
    going = held(worker)
    jobs = [Job(counted("a", 1, []), lambda _: None) for _ in range(4)]
    for job in jobs[:3]:
        worker.submit(job)
    with pytest.raises(Refused, match="3 requests are under way or wait for this model: try again later"):
        worker.submit(jobs[3])
    jobs[2].cancel()
    worker.submit(jobs[3])
    going.set()
    worker.stop()


def test_a_step_that_fails_ends_its_own_text_only(capsys: pytest.CaptureFixture[str]) -> None:
    worker, told, done = Worker(), list[Event | None](), list[str]()

    def bad(error: Exception) -> Generator[Event, None, None]:
        yield {}
        raise error

    for error in (ValueError("too\nmuch"), KeyError("x")):
        worker.submit(Job(bad(error), told.append))
    worker.submit(Job(counted("a", 3, done), lambda _: None))
    worker.stop()
    assert done == ["a"] * 3
    errors = [event["error"] for event in told if event]
    assert sorted(errors, key=len) == ["too much", "the server failed: KeyError: 'x'"]
    assert told.count(None) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.fixture
def tokens_drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every token that any text gets."""
    drawn: list[int] = []
    token = writing.Writing.token

    def counting(self: writing.Writing, place: int, *told: Any) -> Event:
        drawn.append(id(self))
        time.sleep(0.01)
        return token(self, place, *told)

    monkeypatch.setattr(writing.Writing, "token", counting)
    return drawn


LONG = {"max_new_tokens": 200, "temperature": 0, "no_repeat_ngram_size": 2}


@pytest.mark.parametrize("settings", [LONG, LONG | {"num_beams": 2}], ids=["tokens", "beams"])
def test_who_goes_away_stops_the_work_within_a_token(
    settings: dict[str, Any], playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepped: list[Job] = []
    step = Job.step
    monkeypatch.setattr(Job, "step", lambda job: (stepped.append(job), time.sleep(0.02), step(job))[2])
    answer = playground.open("/generate", {"model": "storyteller", "prompt": "Once", "settings": settings})
    for _ in range(6):
        answer.readline()
    (job,) = set(stepped)
    answer.connection.sock.close()  # type: ignore[attr-defined]
    answer.close()
    until(lambda: job.cancelled)
    n = len(stepped)
    until(lambda: not playground.shelf.loaded["storyteller"].worker.jobs)
    time.sleep(0.1)
    assert len(stepped) <= n + 1  # the one that saw it
    assert n < 150
    assert job.steps.gi_frame is None  # closed


def test_two_readers_share_fairly(playground: Playground, tokens_drawn: list[int]) -> None:
    ends: dict[str, float] = {}

    def read(name: str, n: int) -> None:
        list(playground.events(settings={**LONG, "max_new_tokens": n}))
        ends[name] = time.monotonic()

    long = threading.Thread(target=read, args=("long", 60))
    long.start()
    until(lambda: len(tokens_drawn) > 5)
    read("short", 10)
    long.join()
    assert ends["short"] < ends["long"]
    begin = tokens_drawn.index(next(name for name in tokens_drawn if name != tokens_drawn[0]))
    together = tokens_drawn[begin : begin + 18]
    assert together == [together[0], together[1]] * 9


def test_fifty_at_once_all_get_their_text(playground: Playground, lm: LanguageModel) -> None:
    found: dict[int, str] = {}

    def read(seed: int) -> None:
        *_, end = playground.events(settings={"temperature": 1.0, "max_new_tokens": 2, "seed": seed})
        found[seed] = end["text"]

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = lm.generate("Once upon a time", temperature=1.0, max_new_tokens=2, seed=49)
    assert len(found) == 50
    assert found[49] == wanted.text


def test_more_than_may_wait_get_a_503_and_the_others_their_text(
    lm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work.Worker.__init__, "__defaults__", (1, 2))
    playground = Playground(Shelf(lm))
    going = held(playground.shelf.loaded["storyteller"].worker)
    body = {"model": "storyteller", "prompt": "a", "settings": {"max_new_tokens": 3}}
    answers = [playground.open("/generate", body) for _ in range(3)]
    status, told = playground.ask("/generate", body)
    assert status == 503
    assert told["error"].endswith("try again later")
    going.set()
    assert all(b'"event": "end"' in answer.read() for answer in answers)
    playground.stop()


def test_ending_the_server_ends_texts_that_are_being_written(lm: LanguageModel) -> None:
    playground = Playground(Shelf(lm))
    answer = playground.open(
        "/generate", {"model": "storyteller", "prompt": "Once", "settings": LONG | {"num_beams": 4}}
    )
    answer.readline()
    begin = time.monotonic()
    playground.stop()
    assert time.monotonic() - begin < 6
    assert not playground.shelf.loaded["storyteller"].worker.thread.is_alive()


def test_a_model_is_loaded_once_however_many_ask(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []

    def load(name: str, **_: object) -> LanguageModel:
        loads.append(name)
        time.sleep(0.1)
        return lm

    monkeypatch.setattr("minigpt.playground.shelf.load", load)
    monkeypatch.setattr("minigpt.playground.shelf.found", lambda name: __import__("pathlib").Path(name))
    shelf = Shelf(lm)
    playground = Playground(shelf)
    body = {"model": "gpt2", "prompt": "Once"}
    status, told = playground.ask("/generate", body)
    assert (status, told["error"]) == (409, "gpt2 is not loaded yet: load it first")
    ask: Callable[[], Any] = lambda: playground.ask("/load", {"model": "gpt2"})  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["gpt2"]
    assert shelf.loaded.keys() == {"storyteller", "gpt2"}
    playground.stop()
