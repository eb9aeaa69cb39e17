"""`engine.embeddings` of a handler, on vLLM with a model that embeds."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from tests.examples import MODEL, SMALL
from tests.servers import PATIENCE_S, Served

pytestmark = pytest.mark.vllm

HANDLER = """
from fastapi import Request
from handrail import Engine

async def custom_sagemaker_invocation_handler(request: Request, engine: Engine):
    return await engine.embeddings(request=request, model_input=await request.json())
"""


@pytest.fixture(scope="module")
def embedding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("embedding")
    (folder / "model.py").write_text(HANDLER)
    flags = {"SM_VLLM_MODEL": str(MODEL), "SM_VLLM_RUNNER": "pooling", "SM_VLLM_CONVERT": "embed"} | SMALL
    served = Served(folder, folder / "log", **flags)
    try:
        yield served.ready(4 * PATIENCE_S)
    finally:
        assert served.stop() == 0


def vectors(served: Served, **body: object) -> list[list[float]]:
    answer = served.http.post("/invocations", json=body).raise_for_status().json()
    assert [one["index"] for one in answer["data"]] == list(range(len(answer["data"])))
    assert answer["usage"]["prompt_tokens"] > 0
    return [one["embedding"] for one in answer["data"]]


def test_each_text_has_its_vector(embedding: Served) -> None:
    """Of the model's width, of length one, and the same for the same text."""
    first, second, again = vectors(embedding, input=["What does /ping do?", "Who are you?", "What does /ping do?"])
    assert len(first) == len(second) == 128
    assert math.hypot(*first) == pytest.approx(1, abs=1e-3)
    assert first == pytest.approx(again, abs=1e-3)
    assert first != pytest.approx(second, abs=1e-1)


def test_they_are_those_of_vllms_own_route(embedding: Served) -> None:
    own = embedding.http.post("/v1/embeddings", json={"input": "Who are you?"}).json()["data"][0]["embedding"]
    assert vectors(embedding, input="Who are you?") == [pytest.approx(own, abs=1e-3)]


def test_what_is_too_long_is_400(embedding: Served) -> None:
    answer = embedding.http.post("/invocations", json={"input": "word " * 5000})
    assert answer.status_code == 400
    assert "1024" in answer.json()["error"]["message"]
