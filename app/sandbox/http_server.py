"""HTTP/1.1 for the sandbox's own servers: whole requests in, whole answers out."""

import asyncio
from collections.abc import Sequence

import h11

_READ_BYTES = 65_536
_MAX_BODY_BYTES = 4 * 1024 * 1024


async def read_request(connection: h11.Connection, reader: asyncio.StreamReader) -> tuple[h11.Request, bytes] | None:
    """The next complete request and its body; None if the client has disconnected or sends more than 4 MiB."""
    request, body = None, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _MAX_BODY_BYTES:
                return None
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            return request, bytes(body)
        else:
            return None


def response(
    connection: h11.Connection,
    status: int,
    content: bytes,
    headers: Sequence[tuple[bytes, bytes]] = (),
    *,
    content_type: bytes = b"application/json",
) -> list[bytes]:
    """The bytes of an answer, head first. The connection is kept open unless the client sent `close`."""
    if status in (204, 304):
        content = b""
    length = [] if status in (204, 304) else [(b"Content-Length", b"%d" % len(content))]
    head = h11.Response(status_code=status, headers=[(b"Content-Type", content_type), *length, *headers])
    events: list[h11.Event] = [head, h11.Data(data=content), h11.EndOfMessage()]
    return [chunk for event in events if (chunk := connection.send(event))]
