"""Connections with time limits: a client that stalls in a request, or does not read the answer, is disconnected."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 30.0  # seconds for a whole request to arrive, and for what was sent to be read
LATE = h11.Response(
    status_code=408,
    headers=[("content-type", "text/plain; charset=utf-8"), ("connection", "close")],
    reason="Request Timeout",
)


class Connection(H11Protocol):
    """uvicorn's connection, which by itself ends only when idle between two requests.

    A request that is not complete in time gets a 408, unless it has not begun: browsers open connections in advance.
    """

    coming: asyncio.TimerHandle | None = None  # runs while a request is not complete
    unread: asyncio.TimerHandle | None = None  # runs while the client takes nothing of what was sent

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # the first byte that waits is noticed
        self.coming = self.loop.call_later(PATIENCE, self.refuse)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in filter(None, (self.coming, self.unread)):
            timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self.coming and not self.begun():
            self.coming.cancel()
            self.coming = None
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):  # it is complete
            if self.coming:
                self.coming.cancel()
            self.coming = None
        elif not self.coming:
            self.coming = self.loop.call_later(PATIENCE, self.refuse)

    def begun(self) -> bool:
        """Whether part of a request has arrived."""
        return self.conn.their_state is not h11.IDLE or bool(self.conn.trailing_data[0])

    def refuse(self) -> None:
        """Ends the connection: its request did not arrive in time."""
        if self.begun() and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):  # no answer has begun
            text = h11.Data(data=f"the request was not complete after {PATIENCE:.0f} seconds".encode())
            self.transport.write(b"".join(self.conn.send(event) or b"" for event in (LATE, text, h11.EndOfMessage())))
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.unread:
            self.unread.cancel()

    def watch(self) -> None:
        """Checks later whether some of what is waiting has been read."""
        self.unread = self.loop.call_later(PATIENCE, self.drop, self.transport.get_write_buffer_size())

    def drop(self, before: int) -> None:
        """Ends the connection, whatever is waiting, unless that is less than before."""
        if self.transport.get_write_buffer_size() < before:
            self.watch()
        else:
            self.transport.abort()
