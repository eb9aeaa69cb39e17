"""Two replicas on real vLLM with the demo model: a minute to start on two cores, and 3 GB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.examples import EXAMPLES, MODEL, SMALL
from tests.on_ray.conftest import has_all_replicas
from tests.servers import Served

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(600),
]

QUESTION = {"messages": [{"role": "user", "content": "What does /ping do?"}], "temperature": 0}
READY_S = 400.0


def test_two_replicas_answer(tmp_path: Path) -> None:
    """The same to the same question, unary and streamed."""
    pytest.importorskip("vllm")
    flags = {**SMALL, "SM_VLLM_MODEL": str(MODEL), "HANDRAIL_RAY_REPLICAS": "2"}
    served = Served(EXAMPLES / "ray", tmp_path / "log", "--ray", **flags)
    try:
        has_all_replicas(served, READY_S)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: served.http.post("/invocations", json=QUESTION).json(), range(16)))
        assert len({answer["replica"] for answer in answers}) == 2
        assert len({answer["text"] for answer in answers}) == 1
        streamed = served.http.post("/v1/chat/completions", json={**QUESTION, "stream": True})
        assert streamed.text.endswith("data: [DONE]\n\n")
        assert "vllm:generation_tokens_total{" in served.http.get("/metrics").text
    finally:
        assert served.stop() == 0
