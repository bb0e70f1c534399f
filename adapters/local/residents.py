"""The models in memory: one by default; the least recently used really goes before another comes.

Used on the thread that owns torch; only `resident` and `gives_back` may be asked from elsewhere.
"""

import time
from collections.abc import Callable

from adapters.errors import OutOfMemory
from adapters.local.available import check_device, check_memory, device_of
from adapters.local.loading import Loaded, load, telling, unload
from adapters.local.spec import LocalSpec
from adapters.local.weights import Weights, check_sums, find


class Residents:
    """At most `most` models at once."""

    def __init__(self, most: int = 1) -> None:
        self.most = most
        self._loaded: dict[str, Loaded] = {}

    def resident(self) -> tuple[Loaded, ...]:
        return tuple(self._loaded.values())

    def holds(self, spec: LocalSpec) -> bool:
        return spec.key in self._loaded

    def gives_back(self, device: str) -> int:
        """Bytes that would be free on `device` if every model there went."""
        return sum(loaded.held for loaded in self.resident() if loaded.device.split(":")[0] == device.split(":")[0])

    def ready(self, spec: LocalSpec, *, say: Callable[[str], None]) -> Loaded:
        """The model, loaded if need be. What cannot be loaded is found out before anything else has to go.

        Raises `Unavailable` or `OutOfMemory` with a fix.
        """
        if spec.key not in self._loaded:
            weights = find(spec)
            check_device(spec, weights)
            check_memory(spec, weights, freed=self.gives_back(device_of(spec)))
            with telling(spec, weights, say):
                check_sums(weights.folder)
                self._make_room(spec, weights)
                self._loaded[spec.key] = load(spec, weights)
        loaded = self._loaded[spec.key]
        loaded.used = time.monotonic()
        return loaded

    def _make_room(self, spec: LocalSpec, weights: Weights) -> None:
        while self._loaded:
            try:
                check_memory(spec, weights)
            except OutOfMemory:
                pass
            else:
                if len(self._loaded) < self.most:
                    return
            oldest = min(self._loaded, key=lambda key: self._loaded[key].used)
            unload(self._loaded.pop(oldest))
        check_memory(spec, weights)

    def clear(self) -> None:
        """Free every model."""
        while self._loaded:
            unload(self._loaded.popitem()[1])
