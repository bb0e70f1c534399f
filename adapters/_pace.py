"""A finished text as a stream of small pieces; knows nothing of where the text comes from."""

import asyncio
import re
from collections.abc import AsyncGenerator

from adapters.base import Chunk

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # kana and Han: scripts that put no spaces between words
PIECE = re.compile(rf"\s*(?:[{CJK}]{{1,2}}|[^\s{CJK}]{{1,24}})\s?|\s+")


def pieces(text: str) -> list[str]:
    """Words with the space after them, two characters at a time in Chinese and Japanese. Joined, they are `text`."""
    return PIECE.findall(text)


async def spoken(text: str, *, per_second: float = 0.0) -> AsyncGenerator[Chunk, None]:
    """`text` in pieces, `per_second` of them in a second; 0: without delay, but other streams get their turn."""
    clock = asyncio.get_running_loop().time
    start = clock()
    for number, piece in enumerate(pieces(text)):
        due = start + (number / per_second if per_second else 0.0)
        await asyncio.sleep(max(0.0, due - clock()))
        yield Chunk(piece)
