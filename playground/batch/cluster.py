"""Past one machine: `ask` as a method of Ray Core actors. Only --cluster imports Ray; the driver alone writes the log.

Runner, log and resume are the same as on one machine. Rates are leased from one limiter actor for the whole cluster,
a 429's Retry-After holds every lane. Secrets do not travel: each node reads its own environment, only the names of
variables stand in models.yaml. Ray retries what the infrastructure loses, three times at most; a model's errors come
back as values and stay the runner's business.
"""

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from adapters.base import Example
from adapters.registry import create
from playground.batch.pace import LocalPace
from playground.batch.plan import Item, Work
from playground.batch.runner import Answer, Ask, ask_adapter
from playground.errors import BadInput
from playground.models import ModelSpec

TASK_RETRIES = 3
LEASE = 10  # permits that an asker takes at once, so that a call to the limiter is paid once in ten requests


class Limiter:
    """One for the cluster, in an actor of its own: gives out blocks of start times, and holds them back."""

    def __init__(self, rates: dict[str, float]) -> None:
        self._rates = rates
        self._next: dict[str, float] = {}

    async def lease(self, model: str) -> list[float]:
        """Seconds to wait, from now, before each of the next starts."""
        now = asyncio.get_running_loop().time()
        start, rate = max(now, self._next.get(model, 0.0)), self._rates.get(model)
        if not rate:
            return [max(0.0, start - now)]
        count = max(1, min(LEASE, int(rate)))
        self._next[model] = start + count / rate
        return [start - now + i / rate for i in range(count)]

    async def hold(self, model: str, seconds: float) -> None:
        until = asyncio.get_running_loop().time() + seconds
        self._next[model] = max(self._next.get(model, 0.0), until)


class LeasedPace:
    """A node's side of the limiter: a `Pace` that spends leased start times."""

    def __init__(self, limiter: Any, rates: dict[str, float]) -> None:
        self._limiter, self._rates = limiter, rates
        self._starts: dict[str, list[float]] = {}
        self._held = LocalPace({})

    async def turn(self, model: str) -> None:
        loop = asyncio.get_running_loop()
        if self._rates.get(model):
            while not (starts := self._starts.setdefault(model, [])):
                waits = await self._limiter.lease.remote(model)
                starts.extend(loop.time() + wait for wait in waits)
            await asyncio.sleep(max(0.0, starts.pop(0) - loop.time()))
        await self._held.turn(model)

    async def hold(self, model: str, seconds: float) -> None:
        self._starts.pop(model, None)
        await self._held.hold(model, seconds)
        await self._limiter.hold.remote(model, seconds)


class Asker:
    """One node's adapters for one model. Async: many answers are under way at once."""

    def __init__(self, spec: ModelSpec, examples: dict[str, tuple[Example, ...]], limiter: Any, rates: dict) -> None:
        self._spec, self._examples = spec, examples
        self._pace = LeasedPace(limiter, rates)
        self._open: dict[str, Any] = {}

    async def ask(self, item: Item) -> Answer:
        name = item.task.id if self._examples else ""
        if name not in self._open:
            examples = self._examples.get(name, ())
            self._open[name] = create(self._spec.model, self._spec.options, examples=examples)
        return await ask_adapter(self._open[name], item, pace=self._pace)


@contextmanager
def asking_on(address: str, work: Work) -> Iterator[Callable[[ModelSpec], Ask]]:
    """Join or start a cluster (`auto`: the running one or, without one, this machine); shut down at the end.

    Raises `BadInput` when Ray is not installed or the cluster cannot be reached.
    """
    ray = _ray()
    _join(ray, address)
    try:
        limiter = ray.remote(Limiter).options(num_cpus=0, max_restarts=-1, max_concurrency=1000).remote(work.plan.rate)
        yield lambda spec: _ask_for(ray, work, spec, limiter)
    finally:
        ray.shutdown()


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
    except ImportError as error:
        raise BadInput("--cluster needs Ray. Type: pip install -e '.[cluster]'") from error
    return ray


def _join(ray: Any, address: str) -> None:
    if ray.is_initialized():
        return
    wanted = None if address == "auto" and os.environ.get("RAY_ADDRESS") else address
    try:
        if address in ("auto", "local") and not os.environ.get("RAY_ADDRESS"):
            ray.init(address="local", include_dashboard=False, logging_level="ERROR", log_to_driver=False)
        else:
            ray.init(address=wanted, logging_level="ERROR", log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(
            f"The cluster at {address} cannot be reached: {reason} Start one with: ray start --head"
        ) from error


def _ask_for(ray: Any, work: Work, spec: ModelSpec, limiter: Any) -> Ask:
    nodes = max(1, sum(1 for node in ray.nodes() if node["Alive"]))
    gpus = 1 if spec.model.startswith("local/") and ray.cluster_resources().get("GPU") else 0
    count = int(ray.cluster_resources().get("GPU", 1)) if gpus else nodes
    examples = work.examples(spec)
    remote = ray.remote(Asker).options(
        num_cpus=0,
        num_gpus=gpus,
        max_restarts=-1,
        max_task_retries=TASK_RETRIES,
        max_concurrency=work.plan.concurrency,
        scheduling_strategy="SPREAD",
    )
    actors = [remote.remote(spec, examples, limiter, dict(work.plan.rate)) for _ in range(count)]
    under_way = [0] * count

    async def ask(item: Item) -> Answer:
        least = min(under_way)
        chosen = random.choice([i for i, n in enumerate(under_way) if n == least])
        under_way[chosen] += 1
        try:
            return await actors[chosen].ask.remote(item)
        except ray.exceptions.RayError as error:
            kind = type(error).__name__
            return Answer(
                error=f"The cluster lost this request ({kind}). Give the same command again.", error_kind=kind
            )
        finally:
            under_way[chosen] -= 1

    return ask
