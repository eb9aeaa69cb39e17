"""Access control, a rate limit by tier, usage per customer and an audit log, around the engine's own answers."""

import asyncio
import json
import math
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from anyio import CancelScope
from fastapi import HTTPException
from model.customers import Customer, Customers
from model.ledger import Entry, Ledger
from starlette.requests import ClientDisconnect, Request

#: For a try-out. The model directory is read-only on SageMaker, and the ledger has to outlive the container.
_DEFAULT = Path(tempfile.gettempdir(), "handrail-billing", "ledger.sqlite3")


class Model:
    def __init__(self, config: dict[str, Any], data_dir: Path, trt_llm: dict[str, Any]) -> None:
        self._engine = trt_llm["engine"]
        self._customers = Customers(Path(data_dir, "customers.json"), config["model_metadata"]["billing"]["tiers"])
        self._ledger = Ledger(Path(os.environ.get("BILLING_DATABASE") or _DEFAULT))

    def load(self) -> None:
        self._ledger.create()

    async def predict(self, model_input: Any, request: Request) -> Any:
        if isinstance(model_input, dict) and "report" in model_input:
            return await self._report(model_input["report"], request)
        is_completion = isinstance(model_input, dict) and "prompt" in model_input
        return await self._serve("completions" if is_completion else "chat_completions", model_input, request)

    async def chat_completions(self, model_input: Any, request: Request) -> Any:
        return await self._serve("chat_completions", model_input, request)

    async def completions(self, model_input: Any, request: Request) -> Any:
        return await self._serve("completions", model_input, request)

    async def _serve(self, operation: str, body: Any, request: Request) -> Any:
        entry = await self._admitted(operation, request)
        if isinstance(body, dict) and body.get("stream"):
            return self._streamed(entry, body, request)
        async with self._written_down(entry):
            if not isinstance(body, dict):
                raise HTTPException(400, 'send {"messages": [...]}, {"prompt": "..."} or {"report": "customer"}')
            answer = await getattr(self._engine, operation)(request=request, model_input=body)
            entry.usage = answer.usage.model_dump()
        return answer

    async def _streamed(self, entry: Entry, body: dict[str, Any], request: Request) -> AsyncIterator[str]:
        """The engine's events. Every one says what was used so far, so that a client who leaves is billed as well."""
        given = body.get("stream_options")
        asked = given if isinstance(given, dict) else {}
        body = {**body, "stream_options": {**asked, "include_usage": True, "continuous_usage_stats": True}}
        async with self._written_down(entry), aclosing(self._events(entry, body, request)) as events:
            async for event in events:
                chunk = _parsed(event)
                entry.usage = chunk.get("usage") or entry.usage
                if "error" in chunk:
                    entry.outcome = "failed"
                if chunk.get("choices") != [] or asked.get("include_usage"):  # the last is of usage alone
                    yield event.decode()

    async def _events(self, entry: Entry, body: dict[str, Any], request: Request) -> AsyncGenerator[bytes]:
        answer = await getattr(self._engine, entry.operation)(request=request, model_input=body)
        async with aclosing(answer.body_iterator) as events:
            async for event in events:
                yield event

    async def _report(self, kind: Any, request: Request) -> dict[str, Any]:
        customer = await self._known("report", request)
        if kind == "customer":
            totals = await asyncio.to_thread(self._ledger.totals, customer.name)
            return {"customer": customer.name, "tier": customer.tier, **totals}
        if kind == "requests":
            return {"customer": customer.name, "requests": await asyncio.to_thread(self._ledger.latest, customer.name)}
        raise HTTPException(400, f'report is {kind!r}; it can be "customer" (totals) or "requests" (the latest 100)')

    async def _admitted(self, operation: str, request: Request) -> Entry:
        customer = await self._known(operation, request)
        entry = Entry(request.state.request_id, customer.name, operation)
        wait_s = await asyncio.to_thread(self._ledger.admit, entry, customer.requests_per_minute)
        if wait_s > 0:
            raise HTTPException(
                429,
                f"{customer.name} is of the tier {customer.tier!r}: {customer.requests_per_minute} requests a minute",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        return entry

    async def _known(self, operation: str, request: Request) -> Customer:
        customer = self._customers.of(request)
        if customer is not None and customer.disabled is None:
            return customer
        entry = Entry(request.state.request_id, customer and customer.name, operation)
        await asyncio.to_thread(self._ledger.refuse, entry, "unknown" if customer is None else "disabled")
        if customer is None:
            raise HTTPException(401, "the API key is missing or unknown: send it as `X-API-Key: KEY`")
        raise HTTPException(403, f"{customer.name} may not use this service: {customer.disabled}")

    @asynccontextmanager
    async def _written_down(self, entry: Entry) -> AsyncIterator[None]:
        """Whatever becomes of the request, the ledger has it, with the tokens that were produced by then."""
        entry.outcome = "answered"
        try:
            yield
        except HTTPException:
            entry.outcome = "refused"
            raise
        except (asyncio.CancelledError, ClientDisconnect, GeneratorExit):
            entry.outcome = "left"
            raise
        except Exception:
            entry.outcome = "failed"
            raise
        finally:
            with CancelScope(shield=True):  # a client that left cancels every further await, and this one has to happen
                await asyncio.to_thread(self._ledger.close, entry)


def _parsed(event: bytes) -> dict[str, Any]:
    data = event.removeprefix(b"data: ")
    return json.loads(data) if data.startswith(b"{") else {}
