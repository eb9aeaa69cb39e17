"""Two engines of vLLM behind one server, on one CPU machine: vLLM's own data parallelism."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.examples import MODEL, SMALL
from tests.servers import Served

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(400)]

CHAT = {"messages": [{"role": "user", "content": "What does /ping do?"}], "max_tokens": 8}
READY_S = 300.0


def test_both_engines_answer(tmp_path: Path) -> None:
    flags = {**SMALL, "SM_VLLM_DATA_PARALLEL_SIZE": "2", "SM_VLLM_MODEL": str(MODEL)}
    served = Served(tmp_path, tmp_path / "log", **flags).ready(READY_S)
    try:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: served.http.post("/invocations", json=CHAT), range(16)))
        assert {answer.status_code for answer in answers} == {200}
        text = served.http.get("/metrics").text
        counts = re.findall(r'vllm:generation_tokens_total\{engine="(\d)".*\} ([\d.]+)', text)
        assert {engine: float(count) > 8 for engine, count in counts} == {"0": True, "1": True}
    finally:
        assert served.stop() == 0
