from __future__ import annotations

import email.message
import urllib.error
from typing import Any

import httpx
import pytest
from fastapi import HTTPException
from handrail_container.program.workers.raised import described

REQUEST = httpx.Request("POST", "http://upstream")


def raised(error: BaseException) -> dict[str, Any]:
    def run_inference() -> None:
        raise error

    try:
        run_inference()
    except BaseException as caught:  # noqa: BLE001  it is what the test is about
        return described(caught, run_inference)
    raise AssertionError


def from_httpx(status: int, **headers: str) -> httpx.HTTPStatusError:
    return httpx.HTTPStatusError("no", request=REQUEST, response=httpx.Response(status, headers=headers))


def from_urllib(status: int, **headers: str) -> urllib.error.HTTPError:
    message = email.message.Message()
    for name, value in headers.items():
        message[name] = value
    return urllib.error.HTTPError("http://upstream", status, "no", message, None)


class Odd(Exception):
    """Each attribute one looks for is of the wrong kind, or raises."""

    status_code = "400"
    code = 40

    @property
    def response(self) -> None:
        raise RuntimeError


class OddResponse(Exception):
    status_code = 418

    class response:
        status_code = 404
        headers = None


@pytest.mark.parametrize(
    ("error", "statuses"),
    [
        (ValueError("no"), (None, None, None)),
        (HTTPException(418), (418, None, None)),
        (HTTPException(302), (None, None, None)),
        (from_httpx(429, **{"Retry-After": "7"}), (None, 429, "7")),
        (from_httpx(500), (None, 500, None)),
        (httpx.ConnectError("no"), (None, None, None)),
        (from_urllib(503, **{"Retry-After": "9"}), (None, 503, "9")),
        (Odd(), (None, None, None)),
        (OddResponse(), (418, 404, None)),
        (SystemExit(500), (None, None, None)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_statuses_are_found_by_what_an_error_has(error: BaseException, statuses: tuple[object, ...]) -> None:
    seen = raised(error)
    assert (seen["status_code"], seen["upstream_status"], seen["retry_after"]) == statuses
    assert seen["type_name"] == type(error).__name__
    assert seen["where"].startswith(__file__)


def test_an_error_that_never_was_raised_has_no_frames() -> None:
    assert described(ValueError("no"), raised)["traceback"] == "ValueError: no"
