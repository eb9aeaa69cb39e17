"""vLLM's serving classes, as scripts of older versions build them over their own engine."""

from __future__ import annotations

import pytest

from tests.vllm.adoption.conftest import SCRIPTS, Serve
from tests.vllm.conftest import MODEL

pytestmark = [pytest.mark.vllm, pytest.mark.xdist_group("adoption"), pytest.mark.asyncio(loop_scope="session")]


async def test_a_script_for_vllm_0_6(serve: Serve) -> None:
    async with serve(SCRIPTS / "serves_chats", MODEL=str(MODEL)) as adopted:
        asked = {"messages": [{"role": "user", "content": "What does /ping do?"}], "temperature": 0}
        body = {"model": "mine", "max_completion_tokens": 8, **asked}
        chat = await adopted.invoke(body, "/chat")
        server = await adopted.invoke({**body, "model": str(MODEL)}, "/v1/chat/completions")
        text = server["choices"][0]["message"]["content"]
        assert (chat["model"], chat["choices"][0]["message"]["content"]) == ("mine", text)
        streamed = await adopted.http.post("/chat", json={**body, "stream": True})
        assert streamed.text.endswith("data: [DONE]\n\n")
        done = await adopted.invoke({"model": "mine", "prompt": "Hello", "max_tokens": 4}, "/completion")
        assert done["usage"]["completion_tokens"] == 4
        refused = await adopted.http.post("/chat", json={**body, "model": "other"})
        assert (refused.status_code, "does not exist" in refused.json()["message"]) == (404, True)
