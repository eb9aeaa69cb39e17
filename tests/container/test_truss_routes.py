"""/invocations beside a Model that has no predict: its other methods answer, and the engine bypasses none of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail_container.cli.check import check_program

from tests.conftest import Launch

CHECKS = (
    "from fastapi import HTTPException\n\n\nclass Model:\n"
    "    async def chat_completions(self, body):\n"
    "        raise HTTPException(403, 'not for you')\n\n"
    "    async def completions(self, body):\n        raise ValueError('mine')\n"
)
CHAT = {"messages": [{"role": "user", "content": "hi"}]}
BY_ROUTE = {"X-Amzn-SageMaker-Custom-Attributes": "route=/v1/chat/completions"}


def test_what_the_model_checks_is_bypassed_nowhere(launch: Launch, tmp_path: Path) -> None:
    """By payload, or by the route that the client names; what the Model raises is its own."""
    (tmp_path / "model.py").write_text(CHECKS)
    served = launch(tmp_path).ready()
    for path in ("/invocations", "/predict"):
        assert served.http.post(path, json=CHAT).status_code == 403
        assert served.http.post(path, json={}, headers=BY_ROUTE).status_code == 403
    raised = served.http.post("/invocations", json={"prompt": "a"})
    assert (raised.status_code, "Model.completions raised ValueError: mine" in raised.text) == (500, True)
    assert (
        "class Model has no predict: the engine answers /invocations where the body is not one for its" in served.stderr
    )


@pytest.mark.parametrize(("given", "status"), [({}, 200), ({"HANDRAIL_MODEL_ROUTES": "strict"}, 404)])
def test_what_it_has_no_method_for_is_the_engine_s(
    launch: Launch, tmp_path: Path, given: dict[str, str], status: int
) -> None:
    """Unless it is strict."""
    (tmp_path / "model.py").write_text("class Model:\n    async def websocket(self, ws): ...\n")
    served = launch(tmp_path, **given).ready()
    assert served.http.post("/invocations", json=CHAT).status_code == status


def test_check_says_so(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("class Model:\n    async def websocket(self, ws): ...\n")
    (warning,) = check_program(model_path=tmp_path, engine="echo").warnings
    assert f"{tmp_path}/model.py:1 class Model has no predict: the engine answers /invocations. Set" in warning
    text = "def custom_sagemaker_invocation_handler(): ...\nclass Model:\n    async def websocket(self, ws): ...\n"
    (tmp_path / "model.py").write_text(text)
    assert [one for one in check_program(model_path=tmp_path, engine="echo").warnings if "no predict" in one] == []
