"""The model server of the streaming benchmark: repeats the last message word by word, with as little CPU as possible.

Every 5 ms one loop sends each stream what is due by an absolute timetable, so that 400 streams of 50 words a second
cost a quarter of a core instead of a whole one. Prints its address; ends when its input is closed.
"""

import argparse
import asyncio
import json
import re
import sys
import time

WHEEL = 0.005  # seconds
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Stream:
    """One answer under way."""

    def __init__(self, text: str, writer: asyncio.StreamWriter) -> None:
        self.pieces = [event({"content": word}) for word in re.findall(r"\s*\S+\s*", text)]
        self.writer, self.sent, self.start = writer, 0, time.monotonic()
        self.ended = asyncio.Event()

    def send(self, due: int) -> None:
        if self.writer.is_closing():
            self.ended.set()
            return
        data = b"".join(self.pieces[self.sent : due])
        self.sent = due
        if due == len(self.pieces):
            data += event({}, finish="stop") + b"data: [DONE]\n\n"
        if data:
            self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        if due == len(self.pieces):
            self.writer.write(b"0\r\n\r\n")
            self.ended.set()


def event(delta: dict[str, str], *, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


async def serve(rate: float) -> None:
    streams: set[Stream] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                body = json.loads(await reader.readexactly(int(head.split("content-length:")[1].split("\r\n")[0])))
                writer.write(HEAD)
                stream = Stream(body["messages"][-1]["content"], writer)
                streams.add(stream)
                await stream.ended.wait()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    closed = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    async with server:
        while not closed.done():
            await asyncio.sleep(WHEEL)
            now = time.monotonic()
            for stream in streams:
                stream.send(min(len(stream.pieces), int((now - stream.start) * rate) + 1))
            streams -= {s for s in streams if s.ended.is_set()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=50.0, help="words per second and stream")
    asyncio.run(serve(parser.parse_args().rate))
