"""Formatters of requests and responses, as a model's script has them."""

from __future__ import annotations

import handrail
from starlette.requests import Request
from starlette.responses import Response


@handrail.input_formatter
def input_formatter(request: Request) -> None:
    request.state.seen = True


@handrail.output_formatter
async def tell(response: Response) -> None:
    response.headers["X-Adapter"] = "sees_requests"
