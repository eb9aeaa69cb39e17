from __future__ import annotations

import httpx
import pytest
from handrail_container.sagemaker.emulate.api import Limits, Runtime
from handrail_container.sagemaker.emulate.health import ContainerHealth


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
        assert await ContainerHealth(http)._ask() == said


async def test_a_container_that_is_gone_is_unhealthy_from_then_on() -> None:
    """The request that meets it is told so, before the next /ping is."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse), base_url="http://container") as http:
        health = ContainerHealth(http)
        health.judge(None)
        app = Runtime(http, health, (), Limits()).app()
        asking = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://runtime")
        async with asking as client:
            answer = await client.post("/endpoints/demo/invocations", content=b"{}")
        assert answer.status_code == 503
        assert health.reason == "it accepts no connection: refused"
