"""`/ping` with the user's code in it: an answer in time, whatever that code does."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
from handrail_container.http.explain import explain_ours
from handrail_container.routes.endpoint import Endpoint
from handrail_container.routes.ping import BoundedPing
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.conftest import Launch
from tests.servers import Served, eventually

SCRIPT = "pings_as_told.py"
SYNC = {"CUSTOM_FASTAPI_PING_HANDLER": "model:hang"}
#: A second, and what a busy machine takes besides; SageMaker waits two.
IN_TIME_S = 1.9


@pytest.fixture
def served(serving: Launch) -> Served:
    return serving(SCRIPT)


def ping(served: Served, method: str = "GET", **query: object) -> httpx.Response:
    return served.http.request(method, "/ping", params={name: str(value) for name, value in query.items()})


def is_well(served: Served) -> bool:
    return ping(served).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_it_answers_every_method(served: Served, method: str) -> None:
    """HEAD without a body."""
    answer = ping(served, method)
    assert (answer.status_code, bool(answer.content)) == (200, method != "HEAD")


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_one_that_hangs_is_503_in_time(served: Served, method: str) -> None:
    """The next is asked anew: it heard that its time was over."""
    began = time.monotonic()
    answer = ping(served, method, do="hang", s=60)
    assert (answer.status_code, time.monotonic() - began < IN_TIME_S) == (503, True)
    if method != "HEAD":
        assert answer.json()["error"]["message"] == "/ping took over 1 s, with what stands around it"
    assert is_well(served)


@pytest.mark.parametrize("how", ["sync", "ignore"])
def test_one_that_is_stuck_is_not_started_again_and_recovers(serving: Launch, how: str) -> None:
    """A thread that no one can end: until it ends, 503 at once; not one thread more for each ping."""
    served = serving(SCRIPT, **(SYNC if how == "sync" else {}))
    query = {"s": 3} if how == "sync" else {"do": "ignore_the_end", "s": 3}
    before = ping(served).json()["started"]
    began = time.monotonic()
    assert ping(served, **query).status_code == 503
    assert time.monotonic() - began < IN_TIME_S
    eventually(lambda: is_well(served), "it to recover")
    assert ping(served).json()["started"] == before + 3  # the stuck one, the first that is well again, and this


def test_what_it_raises_is_503_with_the_reason(served: Served) -> None:
    """An HTTPException keeps its status and headers."""
    raised, teapot = ping(served, do="raise"), ping(served, do="teapot")
    assert raised.status_code == 503
    assert "check raised LookupError: nothing there" in raised.json()["error"]["message"]
    assert (teapot.status_code, teapot.headers["x-why"]) == (418, "because")


def test_what_stands_around_it_has_the_same_second(serving: Launch) -> None:
    """A slow middleware is 503, and so is one that refuses, whatever status it says; a check's own status stays."""
    served = serving(SCRIPT, CUSTOM_FASTAPI_MIDDLEWARE_PRE_POST_PROCESS="model:around")
    began = time.monotonic()
    assert ping(served, around=60).status_code == 503
    assert time.monotonic() - began < IN_TIME_S
    assert ping(served, do="hang", s=60).status_code == 503
    assert ping(served, do="teapot").status_code == 418
    assert is_well(served)
    refusing = serving(SCRIPT, CUSTOM_PRE_PROCESS="model:before")
    assert ping(refusing, before=1).status_code == 503
    assert ping(refusing, do="raise").status_code == 503


class Asked:
    """A `/ping` in this process, whose endpoint does what a test tells it to."""

    def __init__(self, app: ASGIApp) -> None:
        self.ping = BoundedPing(Endpoint(app, ("GET",), explain_ours))

    async def __call__(self) -> None:
        await self.ping({"type": "http"}, None, None)  # type: ignore[arg-type]


async def test_a_check_whose_asker_is_cancelled_ends_with_it() -> None:
    """And none is forgotten while it runs, also where the next one is asked."""
    ended = list[str]()

    async def hang(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("it")

    asked = Asked(hang)
    asking = [asyncio.create_task(asked()) for _ in range(2)]
    await asyncio.sleep(0.05)  # both have begun
    assert len(asked.ping._asking) == 2
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    while asked.ping._asking:
        await asyncio.sleep(0)
    assert ended == ["it", "it"]


@pytest.mark.parametrize(
    "error", [SystemExit(6), KeyboardInterrupt(), GeneratorExit(), BaseExceptionGroup("", [EOFError()]), LookupError()]
)
async def test_what_a_check_raises_is_raised_where_it_was_asked(error: BaseException) -> None:
    """Not in a task of its own, where some of these end the event loop."""
    raised = list[BaseException]()

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    try:
        await Asked(fail)()
    except BaseException as caught:  # noqa: BLE001  that is the point
        raised.append(caught)
    assert raised == [error]


async def test_a_check_that_cancels_itself_is_cancelled() -> None:
    async def cancel(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Asked(cancel)()
