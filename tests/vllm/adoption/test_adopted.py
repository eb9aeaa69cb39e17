"""Scripts that build an engine of their own get objects over the server's."""

from __future__ import annotations

import pytest

from tests.examples import EXAMPLES
from tests.vllm.adoption.conftest import SCRIPTS, Serve
from tests.vllm.adoption.lazily import vllm
from tests.vllm.conftest import MODEL

pytestmark = [pytest.mark.vllm, pytest.mark.xdist_group("adoption"), pytest.mark.asyncio(loop_scope="session")]

PROMPTS = ["Hello", "The sun", "One two"]


async def test_an_llm_of_import_time(serve: Serve) -> None:
    async with serve(SCRIPTS / "llm_at_import", MODEL=str(MODEL)) as adopted:
        assert adopted.flags == {"SM_VLLM_MODEL": str(MODEL), "SM_VLLM_MAX_MODEL_LEN": "256"}
        first = await adopted.invoke({"prompts": PROMPTS})
        assert len(first) == 3
        assert await adopted.invoke({"prompts": PROMPTS[::-1]}) == first[::-1]
        assert adopted.unfinished() == 0


async def test_an_asynchronous_engine_of_the_first_request(serve: Serve) -> None:
    async with serve(SCRIPTS / "async_in_handler", MODEL=str(MODEL)) as adopted:
        assert adopted.flags == {"SM_VLLM_MODEL": str(MODEL), "SM_VLLM_MAX_MODEL_LEN": "256"}
        whole = await adopted.invoke({"prompt": "Hello"})
        assert whole["prompt"] == "Hello"
        streamed = await adopted.http.post("/invocations", json={"prompt": "Hello", "stream": True})
        assert streamed.text == whole["text"]
        assert adopted.unfinished() == 0


async def test_the_example(serve: Serve) -> None:
    async with serve(EXAMPLES / "own_llm") as adopted:
        assert "200" in (await adopted.invoke({"question": "What does /ping do?"}))["answer"]
        assert (await adopted.http.get("/ping")).json() == {"status": "ok"}


async def test_vllm_is_itself_again_afterwards(serve: Serve) -> None:
    plain = vllm.LLM.__init__
    async with serve(SCRIPTS / "llm_at_import", MODEL=str(MODEL)):
        assert vllm.LLM.__init__ is not plain
    assert vllm.LLM.__init__ is plain
    assert "__getattr__" not in vars(vllm.LLM)
