"""The actors of one model on a cluster, seen from the driver: who is up, who is least loaded, what was lost.

Ray starts an actor again whose process or node is gone, without end; no call is repeated by Ray, because a repeated one
would pass by the pace. Knows no plan and no log.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.base import Chunk, GenerateConfig, Message
from adapters.errors import ConnectionBroken, Unavailable
from playground.batch.node import Asker, Opening, Reply, Request
from playground.batch.pace import LocalPace

LOOK = 0.2  # seconds between two looks at whether a node is up
SETTLE = 10.0  # seconds at the start that the first node waits for the others, else it would get every lane


class LostOnTheWay(ConnectionBroken):
    """A process or node went away with the request: asked again, elsewhere where there is another one."""

    kind = "cluster"


@dataclass
class Up:
    """Which actors can be asked. `refused`: why none is to be asked, such as a missing key on one of the nodes."""

    actors: set[int] = field(default_factory=set)
    refused: Exception | None = None
    starting: dict[int, asyncio.Task[None]] = field(default_factory=dict)


class Nodes:
    """One model's actors. They end, and their GPUs are free, when nothing refers to this object any more."""

    def __init__(self, ray: Any, opening: Opening, places: Sequence[dict[str, Any]], *, lanes: int) -> None:
        self._errors, self.model = ray.exceptions, opening.spec.model
        made, alike = ray.remote(Asker), {"num_cpus": 0, "max_restarts": -1, "max_task_retries": 0}
        self._actors = [made.options(**alike, max_concurrency=lanes, **place).remote(opening) for place in places]
        self._under_way, self._up, self._begun = [0] * len(self._actors), Up(), time.monotonic()
        for number in range(len(self._actors)):
            self._start(number)

    @property
    def ready(self) -> bool:
        """Whether asking now gives an answer or an error, without waiting for a start."""
        if self._up.refused is not None:
            return True
        settled = not self._up.starting or time.monotonic() - self._begun > SETTLE
        return bool(self._up.actors) and settled

    async def ask(self, request: Request) -> Reply:
        """Ask the least loaded one. Raises `LostOnTheWay`, or `Unavailable` where a node cannot ask this model."""
        if self._up.refused is not None:
            raise self._up.refused
        if not self._up.actors:
            raise LostOnTheWay("No node of the cluster is up.", fix="Give the same command again.")
        number = min(self._up.actors, key=lambda i: (self._under_way[i], random.random()))
        self._under_way[number] += 1
        try:
            return await self._actors[number].ask.remote(request)
        except self._errors.RayTaskError:
            raise  # a bug of ours
        except self._errors.RayError as error:
            self._start(number)
            words = f"The cluster lost this request ({type(error).__name__})."
            raise LostOnTheWay(words, fix="Give the same command again.") from error
        finally:
            self._under_way[number] -= 1

    def _start(self, number: int) -> None:
        """Leave this one out until it has answered; once for all the requests that it lost."""
        if number not in self._up.starting:
            self._up.actors.discard(number)
            begun = started(self._actors[number], number, self._up, self._errors)
            self._up.starting[number] = asyncio.create_task(begun)


async def started(actor: Any, number: int, up: Up, errors: Any) -> None:
    """Wait until the actor is up, here or started again elsewhere. Refers to no `Nodes`, which may end meanwhile."""
    try:
        while True:
            try:
                error = await actor.start.remote()
            except errors.ActorDiedError as died:  # restarts have no bound: it could not even be made
                reason = str(died).strip().splitlines()[-1]
                fix = "Install the same version of the playground, with the same extras, on every node."
                error = Unavailable(f"A node cannot run the playground: {reason}.", fix=fix)
            except errors.RayTaskError as bug:
                error = bug
            except errors.RayError:  # Ray has not noticed yet, or is at it
                await asyncio.sleep(LOOK)
                continue
            if error is None:
                up.actors.add(number)
            else:
                up.refused = error
            return
    finally:
        del up.starting[number]


class Gate:
    """The driver's pace, entered only when a node is up: else turns would be spent in vain, then used all at once."""

    def __init__(self, pace: LocalPace, nodes: Nodes) -> None:
        self._pace, self._nodes = pace, nodes

    async def turn(self, model: str) -> None:
        while not self._nodes.ready:
            await self._pace.rest(model, LOOK)
        await self._pace.turn(model)

    async def hold(self, model: str, seconds: float) -> None:
        await self._pace.hold(model, seconds)


class Call:
    """One item's request as an adapter whose stream is one call of a node; `reply` is the latest."""

    def __init__(self, nodes: Nodes, task: str) -> None:
        self._nodes, self._task, self.model = nodes, task, nodes.model
        self.reply = Reply()

    async def stream(self, messages: Sequence[Message], config: GenerateConfig) -> AsyncGenerator[Chunk, None]:
        request = Request(task=self._task, messages=tuple(messages), config=config)
        self.reply = await self._nodes.ask(request)
        yield Chunk(parameters=self.reply.parameters)
        yield Chunk(self.reply.text)
        if self.reply.error is not None:
            raise self.reply.error
        yield self.reply.last
