"""The access log of a real server, line by line."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served, eventually


@pytest.fixture
def served(serving: Launch) -> Served:
    given = {"HANDRAIL_LOG_FORMAT": "json", "HANDRAIL_ACCESS_LOG": "all", "HANDRAIL_ECHO_ITL_MS": "20"}
    return serving("engine_parameter.py", **given)


def line_of(served: Served, request_id: str) -> dict[str, Any]:
    """The one access line of a request; every line of the log is an object."""

    def lines() -> list[dict[str, Any]]:
        written = [json.loads(line) for line in served.stderr.rpartition("\n")[0].splitlines()]
        return [
            line for line in written if line["logger"] == "handrail.access" and line.get("request_id") == request_id
        ]

    eventually(lines, f"a line of {request_id}")
    (line,) = lines()
    return line


def ask(served: Served, path: str, request_id: str, **body: Any) -> int:
    return served.http.post(path, json=body, headers={"X-Request-Id": request_id}).status_code


CHAT = {"messages": [{"role": "user", "content": "one two three"}], "max_tokens": 2}


@pytest.mark.parametrize("stream", [False, True])
def test_a_line_says_who_answered_and_what_it_took(served: Served, stream: bool) -> None:
    """The engine's own route, by its own name; tokens as the engine counts them, streamed or not."""
    assert ask(served, "/v1/chat/completions", f"route-{stream}", **CHAT, stream=stream) == 200
    line = line_of(served, f"route-{stream}")
    assert 0 < line.pop("duration_ms") < 60_000
    assert line.pop("bytes_out") > 10
    del line["time"], line["message"]
    assert line == {
        "level": "INFO",
        "logger": "handrail.access",
        "request_id": f"route-{stream}",
        "method": "POST",
        "route": "/v1/chat/completions",
        "status": 200,
        "handler": "engine",
        "tokens_in": 3,
        "tokens_out": 2,
    }


@pytest.mark.parametrize(
    ("path", "body", "tokens"),
    [
        ("/v1/embeddings", {"input": "one two"}, (2, 0)),
        ("/v1/responses", {"input": "one two"}, (2, 2)),
        ("/v1/messages", {**CHAT}, (3, 2)),
    ],
)
def test_every_route_of_the_engine_counts_its_tokens(
    served: Served, path: str, body: dict[str, Any], tokens: tuple[int, int]
) -> None:
    """Those that are not OpenAI's as well."""
    assert ask(served, path, f"to{path}", **body) == 200
    line = line_of(served, f"to{path}")
    assert (line["tokens_in"], line["tokens_out"]) == tokens


def test_a_client_that_left_is_said_to_have(served: Served) -> None:
    """With the tokens that it cost until then."""
    body = json.dumps({"messages": [{"role": "user", "content": "word " * 500}], "max_tokens": 500, "stream": True})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nX-Request-Id: gone\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(f"{head}Content-Type: application/json\r\n\r\n{body}".encode())
        while b"word" not in client.recv(65536):
            pass
    line = line_of(served, "gone")
    assert line["verdict"] == "client_left"
    assert 0 < line["tokens_out"] < 500


def test_the_plain_line_says_the_same(launch: Launch) -> None:
    """On one line; a time that ran out by the error's own name."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME="holds_requests.py").ready()
    headers = {"X-Request-Id": "late", "X-Handrail-Timeout-S": "0.1"}
    answer = served.http.post("/invocations", json={"until": "/no/such/file"}, headers=headers)
    eventually(lambda: "verdict=timeout" in served.stderr, "the line")
    (line,) = [line for line in served.stderr.splitlines() if "handrail.access" in line and "late" in line]
    assert " POST /invocations 504 " in line
    assert line.endswith(f" handler=hold bytes={len(answer.content)} verdict=timeout request_id=late")
    (theirs,) = [line for line in served.stderr.splitlines() if "holding a request" in line]
    assert theirs.endswith(" request_id=late")


def test_a_good_ping_is_never_logged(served: Served) -> None:
    """Nor is anything where the log is off: that is the gate's test."""
    assert served.http.get("/ping", headers={"X-Request-Id": "ping"}).status_code == 200
    assert ask(served, "/v1/completions", "after", prompt="a") == 200
    assert line_of(served, "after")
    assert "ping" not in [json.loads(line).get("request_id") for line in served.stderr.splitlines()]
