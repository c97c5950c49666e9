"""What a long day costs: no memory, and no waiting for the other side. Times: `benchmarks/playground_load.py`."""

import gc
import socket
from collections.abc import Iterator

import pytest
from torch import Tensor

from minigpt.language_model import LanguageModel
from minigpt.playground.logits import Recent
from minigpt.playground.shelf import Shelf
from tests.playground.conftest import Playground, until

ROOM = 1 << 16  # bytes: four distributions of the storyteller's


@pytest.fixture
def small(lm: LanguageModel) -> Iterator[Playground]:
    """One that keeps few distributions, so that soon it has all that it ever has."""
    playground = Playground(Shelf(lm))
    playground.shelf.loaded["storyteller"].recent = Recent(ROOM)
    yield playground
    playground.stop()


def alive() -> tuple[int, int]:
    """Python's objects that may hold others, and the bytes of all tensors."""
    gc.collect()
    objects = gc.get_objects()
    return len(objects), sum(it.numel() * it.element_size() for it in objects if type(it) is Tensor)


def test_texts_leave_nothing_behind_but_so_many_distributions(small: Playground) -> None:
    found = []
    for n in range(60):
        *_, end = small.events(prompt=f"The king said {n}", settings={"max_new_tokens": 6, "seed": n})
        assert end["event"] == "end"
        if n % 20 == 19:
            gc.collect()  # the client's connections
            until(lambda: not small.shelf.loaded["storyteller"].worker.jobs)
            until(lambda: not small.server.server_state.connections)
            found.append(alive())
    recent = small.shelf.loaded["storyteller"].recent
    assert recent.used == sum(kept.nbytes for kept in recent.kept.values()) <= ROOM
    (_, _), (objects, tensors), (more, later) = found
    assert later <= tensors
    assert more - objects < 100, "20 texts left objects behind"


def test_answers_are_sent_without_delay(small: Playground) -> None:
    """Else the second part of each waits 40 ms for the other side to say that the first has come."""
    with socket.create_connection(("127.0.0.1", small.port)):
        until(lambda: small.server.server_state.connections)
        (connection,) = small.server.server_state.connections
        assert connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
