"""Requests as bytes, for what no HTTP client would send, or not at the same moment."""

import asyncio

from tests.api.site import Api, Contest, token


def request(contest: Contest, user: int, body: bytes, path: str = "votes", **headers: str) -> bytes:
    """A vote, or something else that is sent, as bytes."""
    given = {
        "Host": "localhost",
        "Authorization": f"Bearer {token(user)}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {contest.path}/{path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def at_once(api: Api, requests: list[bytes]) -> list[tuple[int, bytes]]:
    """Each on a connection of its own; the last byte of each is sent when all others are there."""
    opened = [await asyncio.open_connection("127.0.0.1", api.port) for _ in requests]
    for (_, writer), one in zip(opened, requests, strict=True):
        writer.write(one[:-1])
        await writer.drain()
    for (_, writer), one in zip(opened, requests, strict=True):
        writer.write(one[-1:])
    answers = []
    for reader, writer in opened:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        answers.append((int(head[9:12]), await reader.readexactly(length)))
        writer.close()
    return answers
