"""A script that builds an engine for embeddings, in a server of its own: one engine process."""

from __future__ import annotations

import pytest

from tests.conftest import Launch
from tests.servers import PATIENCE_S
from tests.vllm.adoption.conftest import SCRIPTS
from tests.vllm.conftest import FLAGS, MODEL

pytestmark = pytest.mark.vllm


def test_embeddings_of_a_script(launch: Launch) -> None:
    served = launch(SCRIPTS / "embeds", "--engine", "vllm", MODEL=str(MODEL), **FLAGS).ready(4 * PATIENCE_S)
    response = served.http.post("/invocations", json={"inputs": ["Hello", "One two"]})
    assert response.status_code == 200, response.text
    answer = response.json()
    body = {"model": str(MODEL), "input": ["Hello", "One two"]}
    server = [one["embedding"] for one in served.http.post("/v1/embeddings", json=body).json()["data"]]
    for ours, theirs in zip(answer["embeddings"], server, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)
    assert answer["encoded"][1] == pytest.approx(answer["embeddings"][1], abs=1e-4)
    assert answer["score"] == pytest.approx(1, abs=1e-3)
    assert "runner" in served.stderr.lower()
