from __future__ import annotations

import httpx
import pytest
from handrail_container.emulate.health import Health


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (httpx.ReadTimeout("slow"), "/ping took over 2 s"),
        (httpx.ReadError("reset"), "/ping cannot be asked: reset"),
    ],
)
async def test_a_ping_that_gets_no_answer_is_a_reason(fault: Exception, said: str) -> None:
    """Each its own."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise fault

    async with httpx.AsyncClient(transport=httpx.MockTransport(fail), base_url="http://container") as http:
        assert await Health(http)._ask() == said
