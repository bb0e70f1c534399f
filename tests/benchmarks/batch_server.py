"""The model server of the batch benchmark: OpenAI chat completions in as little CPU as Python allows.

Every answer takes `--seconds` and has `--tokens` tokens: streamed evenly, `--per-write` tokens a write, where the
request asks for a stream, else as one JSON body at the end. Prints its address; ends when its input is closed.
"""

import argparse
import asyncio
import json
import sys
from typing import Any

import uvloop

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{length}\r\n"


class Answering(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.buffer = options, bytearray()
        words = [f"word{n} " for n in range(options.tokens)]
        size = options.per_write
        self.pieces = [b"".join(event({"content": w}) for w in words[i : i + size]) for i in range(0, len(words), size)]
        self.text = "".join(words)

    def connection_made(self, transport: Any) -> None:  # uvloop's are no asyncio.Transport
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, mark, rest = self.buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        if len(rest) < length:
            return
        body = json.loads(bytes(rest[:length]))
        self.buffer = rest[length:]
        loop = asyncio.get_running_loop()
        if body.get("stream"):
            self.transport.write(chunked_head())
            self._next(loop, loop.time(), 0)
        else:
            loop.call_later(self.options.seconds, self._whole, body["model"])

    def _next(self, loop: asyncio.AbstractEventLoop, begun: float, number: int) -> None:
        if number == len(self.pieces):
            self.transport.write(chunk(LAST) + b"0\r\n\r\n")
            return
        due = begun + self.options.seconds * (number + 1) / len(self.pieces)
        loop.call_at(due, self._piece, loop, begun, number)

    def _piece(self, loop: asyncio.AbstractEventLoop, begun: float, number: int) -> None:
        if not self.transport.is_closing():
            self.transport.write(chunk(self.pieces[number]))
            self._next(loop, begun, number + 1)

    def _whole(self, model: str) -> None:
        message = {"role": "assistant", "content": self.text}
        body = json.dumps(
            {
                "id": "x", "object": "chat.completion", "created": 1, "model": model, "usage": USAGE,
                "choices": [{"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}],
            }
        ).encode()  # fmt: skip
        head = HEAD.format(kind="application/json", length=f"Content-Length: {len(body)}\r\n")
        self.transport.write(head.encode() + body)


USAGE = {"prompt_tokens": 300, "completion_tokens": 100, "total_tokens": 400}


def event(delta: dict[str, str], **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    data = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "bench", "choices": [choice], **more}
    return b"data: " + json.dumps(data).encode() + b"\n\n"


LAST = (
    event({}, choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    + event({}, choices=[], usage=USAGE)
    + b"data: [DONE]\n\n"
)


def chunked_head() -> bytes:
    return HEAD.format(kind="text/event-stream", length="Transfer-Encoding: chunked\r\n").encode()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def serve(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(options), "127.0.0.1", 0, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--per-write", type=int, default=1)
    uvloop.run(serve(parser.parse_args()))
