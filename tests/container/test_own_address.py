"""A definition's snippet asks the engine of its own server, wherever that listens."""

from __future__ import annotations

import httpx
import pytest
from handrail_container.process.own_address import authority

from tests.conftest import Launch
from tests.servers import SCRIPTS

TOLD = SCRIPTS / "definition_told"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "0.0.0.0", "::1", "::"])
@pytest.mark.parametrize("keys", ["", "a key/with@signs:1"])
def test_the_engine_is_asked_where_the_server_listens(launch: Launch, host: str, keys: str) -> None:
    """With the process's own key, which is not told to anybody."""
    served = launch(TOLD, "--host", host, TOLD_SECRET="hush-0123456789", HANDRAIL_API_KEY=keys)
    served.http = httpx.Client(
        base_url=f"http://{authority(host, served.port)}",
        headers={"Authorization": f"Bearer {keys or 'none'}"},
        timeout=60,
        trust_env=False,
    )
    answer = served.ready().http.post("/invocations", json={"do": "ask", "say": "a word"})
    assert (answer.status_code, answer.text) == (200, "a word")


@pytest.mark.parametrize(
    ("host", "reached_at"),
    [
        ("127.0.0.1", "127.0.0.1:80"),
        ("0.0.0.0", "127.0.0.1:80"),
        ("", "127.0.0.1:80"),
        ("::", "[::1]:80"),
        ("fd00::2", "[fd00::2]:80"),
        ("a.host", "a.host:80"),
    ],
)
def test_an_address_that_means_all_is_the_loopback_s(host: str, reached_at: str) -> None:
    assert authority(host, 80) == reached_at
