"""What a typed handler's body costs everybody else: the time for which this process's loop does not turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.container.heart import Heart
from tests.container.test_server import running
from tests.servers import SCRIPTS

TRUSS = """\
from pydantic import BaseModel, IPvAnyAddress


class Hosts(BaseModel):
    hosts: list[IPvAnyAddress]


class Model:
    def load(self):
        pass

    def predict(self, model_input: Hosts):
        return {"count": len(model_input.hosts)}
"""


@pytest.mark.parametrize("style", ["handler", "truss"])
async def test_a_large_body_of_types_written_in_python_is_validated_beside_the_loop(style: str, tmp_path: Path) -> None:
    """On the loop this takes a second."""
    count = 300_000
    body = b'{"hosts":[%s]}' % b",".join([b'"::1"'] * count)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.py").write_text(TRUSS)
    (tmp_path / "config.yaml").write_text("model_name: hosts\n")
    given = {"CUSTOM_SCRIPT_FILENAME": "pydantic_addresses.py"} if style == "handler" else {}
    folder = SCRIPTS if style == "handler" else tmp_path
    async with running(folder, HANDRAIL_ENGINE="echo", HANDRAIL_ACCESS_LOG="off", **given) as served:
        await served.answers(200)
        async with Heart().beating() as heart:
            answer = await served.http.post(
                "/invocations", content=body, headers={"Content-Type": "application/json"}, timeout=120
            )
    assert answer.json() == {"count": count}
    assert heart.worst_s < 0.5
