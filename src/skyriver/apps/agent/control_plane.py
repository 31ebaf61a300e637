"""What a node says to the API: let me join, this is my machine, what is my plan."""

from __future__ import annotations

from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from skyriver.fabric.bus.node_keys import node_token
from skyriver.kernel.errors import Conflict, InvalidInput, NotAuthenticated, NotReady, SkyriverError, TooMany

TIMEOUT_S = 5.0
_KINDS: dict[int, type[SkyriverError]] = {401: NotAuthenticated, 403: NotAuthenticated, 409: Conflict, 429: TooMany}


class ControlPlane:
    """An HTTP client of the API. It does not retry: its callers do, each with a back-off of its own."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(base_url=self.url, timeout=TIMEOUT_S, trust_env=False)

    async def join(self, body: dict[str, Any]) -> dict[str, Any]:
        """`POST /v1/nodes/join`.

        Raises:
            NotReady: the API is away or asks to wait.
            SkyriverError: it refuses; its own words and hint.
        """
        return await self._ask("join the cloud", self._http.build_request("POST", "/v1/nodes/join", json=body))

    async def plan(self, node_id: str, key: Ed25519PrivateKey) -> dict[str, Any]:
        """`GET /v1/node/plan`; raises as `join`."""
        request = self._http.build_request("GET", "/v1/node/plan", headers=_signed(node_id, key))
        return await self._ask("fetch the plan", request)

    async def describe_machine(self, node_id: str, key: Ed25519PrivateKey, body: dict[str, Any]) -> None:
        """`PUT /v1/node/machine`; raises as `join`."""
        request = self._http.build_request("PUT", "/v1/node/machine", json=body, headers=_signed(node_id, key))
        await self._ask("describe this machine", request)

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(self, doing: str, request: httpx.Request) -> dict[str, Any]:
        try:
            response = await self._http.send(request)
            body = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NotReady(
                f"Tried to {doing} at {self.url}, and it does not answer as an API ({error!r}).",
                hint="Is the address right, and does the API run?",
                code="api_away",
            ) from error
        if response.is_success and isinstance(body, dict):
            return body
        problem = body if isinstance(body, dict) else {}
        message = f"Tried to {doing} at {self.url}: {problem.get('detail', f'status {response.status_code}')}"
        hint = str(problem.get("hint", ""))
        if response.status_code >= 500 or response.status_code == 429:
            raise NotReady(message, hint=hint)
        raise _KINDS.get(response.status_code, InvalidInput)(message, hint=hint)


def _signed(node_id: str, key: Ed25519PrivateKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {node_token(node_id, key)}"}
