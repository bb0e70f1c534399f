"""A company's own SDK makes the request of an `HttpAdapter`; the events are read there all the same (decision 10).

It is asked by its `post`: the verbs of its resources walk the types of whatever they are given (0.1 ms a request
without the messages, 0.4 with them).
"""

import sys
from abc import abstractmethod
from types import ModuleType
from typing import Any

from adapters._clients import Client
from adapters._faults import fault
from adapters._http import HttpAdapter

MACHINE = (
    "X-Stainless-Lang", "X-Stainless-Package-Version", "X-Stainless-OS", "X-Stainless-Arch", "X-Stainless-Runtime",
    "X-Stainless-Runtime-Version", "X-Stainless-Async",
)  # fmt: skip


class SdkAdapter(HttpAdapter):
    """Base of the adapters on an SDK whose client has `post`. A subclass also names the `package`."""

    @property
    def sdk(self) -> ModuleType:
        """The package, which `warm` has imported by then."""
        return sys.modules[self.package]

    @abstractmethod
    def connect(self, http: Any) -> Client:
        """The SDK's client on this httpx2 client."""

    def unsaid(self) -> dict[str, Any]:
        """For a client's default headers: what the SDK would tell the receiver about this machine is left out."""
        return dict.fromkeys(MACHINE, self.sdk.omit)

    async def post(self, client: Client, body: bytes) -> Any:
        sdk = self.sdk
        try:
            stream = await client.post(
                self.path, cast_to=object, content=body, options={"headers": {"Content-Type": "application/json"}},
                stream=True, stream_cls=sdk.AsyncStream[object],
            )  # fmt: skip
        except sdk.APIStatusError as error:
            headers = error.response.headers
            raise fault(self.endpoint.party, error.body, status=error.status_code, headers=headers) from error
        except sdk.APIConnectionError as error:
            raise self.no_connection() from error
        return stream.response
