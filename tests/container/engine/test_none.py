from __future__ import annotations

import pytest
from fastapi import FastAPI, HTTPException
from handrail_container.engine.none import NoBackend

from tests.conftest import Launch


async def test_every_call_is_refused_with_the_setting_that_would_help() -> None:
    """503: a handler that asks for an engine on a server without one."""
    engine = NoBackend().facade
    assert engine.raw is None
    for call in (lambda: engine.generate("a"), lambda: engine.tokenize("a")):
        with pytest.raises(HTTPException, match="HANDRAIL_ENGINE=none"):
            call()
    with pytest.raises(HTTPException) as refused:
        await engine.chat_completions(model_input={"messages": []})
    assert refused.value.status_code == 503


async def test_a_server_without_an_engine_starts_and_stops() -> None:
    """Nothing is added, nothing is awaited, nothing dies."""
    backend, app = NoBackend(), FastAPI()
    before = list(app.routes)
    backend.prepare()
    await backend.start(app)
    await backend.warm_up()
    await backend.check_health()
    await backend.stop()
    assert list(app.routes) == before
    assert backend.client is None
    assert backend.routes_by_payload == {}


def test_a_script_that_calls_something_else_needs_no_engine(serving: Launch) -> None:
    """HANDRAIL_ENGINE=none."""
    served = serving("named_handlers.py", HANDRAIL_ENGINE="none")
    assert served.http.post("/invocations", json={"prompt": "p"}).json() == {"prompt": "p"}
