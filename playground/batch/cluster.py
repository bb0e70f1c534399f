"""Past one machine: each request is one call of a Ray Core actor. Only --cluster imports Ray; here alone it is known.

Runner, pace, log and resume are those of one machine: lanes, rates and the waits that a 429 asks for stay with the
driver, so that one limiter for each provider's key holds every node. A request that a node or a process loses is asked
again as after a broken connection: in the pace, a bounded number of times.

What a node needs: this version of the playground, the variables that models.yaml names (keys, addresses) in its
environment before `ray start`, the weights of local models, the cluster's token. What travels to it: one entry of
models.yaml, the messages and settings of a request, a baseline's examples. The driver runs on one of the nodes.
"""

import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from playground.batch.asking import Answer, Ask, ask_adapter
from playground.batch.cleartext import refuse_secrets
from playground.batch.node import Opening
from playground.batch.nodes import Call, Gate, Nodes
from playground.batch.pace import LocalPace
from playground.batch.plan import Item, Work
from playground.errors import BadInput
from playground.models import ModelSpec

CONNECT_LIMIT = 5.0  # seconds; Ray itself tries an address where nobody listens for minutes
STREAMS = 100  # that one process of a node reads at once; more of them end late (cluster.md)
OBJECTS = 128 * 2**20  # bytes of shared memory of a cluster on this machine; Ray would take a third of it all
TOKEN_FIX = "Run this on one of its nodes, with the cluster's token in ~/.ray/auth_token or RAY_AUTH_TOKEN_PATH."

Asking = Callable[[LocalPace], Callable[[ModelSpec], Ask]]


def chosen(address: str) -> str:
    """What `auto` stands for: the address in RAY_ADDRESS, or else `local`, a new cluster on this machine."""
    return os.environ.get("RAY_ADDRESS") or "local" if address == "auto" else address


@contextmanager
def asking_on(address: str, work: Work) -> Iterator[Asking]:
    """Join the cluster at HOST:PORT, or for `auto` the one in RAY_ADDRESS or else a new one on this machine.

    Yields the way to ask there in a pace. Raises `BadInput` when Ray is missing, the cluster cannot be joined, or an
    entry of models.yaml holds a secret.
    """
    for spec in work.specs:
        refuse_secrets(spec)
    ray = _ray()
    with _joined(ray, address):
        yield lambda pace: lambda spec: _ask_for(ray, work, spec, pace)


def _ray() -> Any:
    mode = os.environ.setdefault("RAY_AUTH_MODE", "token")
    if mode.lower() == "disabled":
        raise BadInput("RAY_AUTH_MODE=disabled lets whoever reaches Ray's ports run code here. Unset it.")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise BadInput("--cluster needs Ray. Type: pip install -e '.[cluster]'") from error
    return ray


@contextmanager
def _joined(ray: Any, address: str) -> Iterator[None]:
    """`address` is never left out: the one that Ray remembers may be that of a driver that was killed."""
    wanted = chosen(address)
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        if wanted == "local":
            # Ray's processes inherit it and no file holds it; the file that Ray would write is readable to every user
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
            ray.init(address="local", include_dashboard=False, object_store_memory=OBJECTS, **quiet)
        else:
            _reach(wanted)
            ray.init(address=wanted, **quiet)
    except (ray.exceptions.RayError, OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")
        raise BadInput(f"The cluster at {wanted} cannot be joined: {reason}. {TOKEN_FIX}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in host:
        raise BadInput(f"--cluster {address} is neither auto nor HOST:PORT, such as 10.0.0.1:6379.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_LIMIT).close()
    except (OSError, OverflowError) as error:
        fix = "Start one with: RAY_AUTH_MODE=token ray start --head"
        raise BadInput(f"No cluster answers at {address} ({error}). {fix}") from error


def _ask_for(ray: Any, work: Work, spec: ModelSpec, pace: LocalPace) -> Ask:
    examples = work.examples(spec)
    tasks = {task.id if examples else "": task for task in work.tasks}
    identities = {name: getattr(work.adapter(spec, task), "identity", "") for name, task in tasks.items()}
    places = _places(ray, work, spec)
    work.copies[spec.model] = len(places)
    nodes = Nodes(ray, Opening(spec=spec, identities=identities, examples=examples), places, lanes=work.lanes(spec))
    gate = Gate(pace, nodes)

    async def rest(seconds: float) -> None:
        await pace.rest(spec.model, seconds)

    async def ask(item: Item) -> Answer:
        call = Call(nodes, item.task.id if examples else "")
        answer = await ask_adapter(call, item, pace=gate, rest=rest)
        if answer.error is not None:
            return answer
        return replace(answer, first_token_s=call.reply.first_token_s, total_s=call.reply.total_s)

    return ask


def _places(ray: Any, work: Work, spec: ModelSpec) -> list[dict[str, Any]]:
    """Where a model's actors go: a local one to its share of the GPUs, any other, or without GPUs, to every node.

    With more local models than GPUs, the last ones wait until another has ended and let go of its own. A node gets
    several actors of any other, one a core at most, where a single process would have to read too many answers.
    """
    gpus = int(ray.cluster_resources().get("GPU", 0))
    local = [s.model for s in work.specs if s.model.startswith("local/")]
    if gpus and spec.model in local:
        return [{"num_gpus": 1}] * share(gpus, len(local), local.index(spec.model))
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    alive = [node for node in ray.nodes() if node["Alive"]]
    wanted = 1 if spec.model in local else -(-work.lanes(spec) // STREAMS)
    each = spread(wanted, [int(node["Resources"].get("CPU", 1)) for node in alive])
    return [
        # an actor that needs nothing goes to any node, whatever the strategy; one byte of memory holds it there
        {"memory": 1, "scheduling_strategy": NodeAffinitySchedulingStrategy(node["NodeID"], soft=True)}
        for node, actors in zip(alive, each, strict=True)
        for _ in range(actors)
    ]


def spread(wanted: int, cores: Sequence[int]) -> list[int]:
    """Actors for each node: one on every node, then on those with the fewest while cores and wishes are left."""
    found = [1] * len(cores)
    while sum(found) < wanted and (free := [i for i, most in enumerate(cores) if found[i] < most]):
        found[min(free, key=found.__getitem__)] += 1
    return found


def share(gpus: int, models: int, number: int) -> int:
    """How many GPUs model `number` of so many gets; at least one, which it may have to wait for."""
    each, left = divmod(gpus, models)
    return max(1, each + (number < left))
