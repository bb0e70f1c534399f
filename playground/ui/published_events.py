"""What the page of published results asks the server for: one table. Decides nothing itself."""

import asyncio
from collections.abc import Mapping
from typing import Any

from playground.errors import BadInput
from playground.service import Playground
from playground.ui import published_table


class Tables:
    """The one call of the page. One table is read at a time: own runs may have to be scored first, on a thread that
    ratings need too."""

    def __init__(self, playground: Playground) -> None:
        turn = asyncio.Lock()

        async def table(query: Mapping[str, Any]) -> dict[str, Any]:
            """{category, board} -> {title, file, html, lines}, or {error}."""
            try:
                asked = published_table.read(query)
            except BadInput as error:
                return {"error": str(error)}
            async with turn:
                cells = await asyncio.to_thread(playground.medsbench.table, asked.category)
            return {
                "title": f"{asked.category}, {published_table.BOARDS[asked.board]}",
                "file": f"medsbench-{published_table.slug(asked.category)}-{asked.board}.csv",
                "html": published_table.table(cells, asked),
                "lines": published_table.lines(cells, asked),
            }

        self.table = table
