"""What the clients of an application may cost: its routes' patterns, its bodies, its work after the answer."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from tests.container.test_app_served import serving, socket_of


async def test_its_routes_are_not_matched_for_a_request_without_a_key() -> None:
    """A pattern with several `:path` parameters takes seconds for a long path."""
    async with serving("tells_what_it_matches.py", HANDRAIL_API_KEY="secret") as served:
        for method, path in (("GET", "/long"), ("POST", "/long"), ("GET", "/matched"), ("POST", "/invocations")):
            assert (await served.http.request(method, path)).status_code == 401
        with pytest.raises(InvalidStatus) as refused:
            await socket_of(served, "/socket")
        assert refused.value.response.status_code == 401
        matched = (await served.http.get("/matched", headers={"Authorization": "Bearer secret"})).json()
        assert not {"/long", "/socket"} & set(matched)
        assert matched.count("/matched") == 2  # by the gate, and by the application itself
        await socket_of(served, "/socket", additional_headers={"Authorization": "Bearer secret"})
