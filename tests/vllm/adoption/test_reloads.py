"""An edit of a script that builds an engine, while the engine runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vllm.adoption import written
from tests.vllm.adoption.conftest import Serve
from tests.vllm.conftest import MODEL

pytestmark = [pytest.mark.vllm, pytest.mark.xdist_group("adoption"), pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("way", ["module", "start"])
async def test_an_argument_of_speed_is_a_line(
    way: str, serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = written.write(tmp_path, "decorators", way, written.BLOCKING) / "model.py"
    async with serve(tmp_path, watches=True, MODEL=str(MODEL)) as adopted:
        before = await adopted.invoke({"prompt": "Hello"})
        script.write_text(script.read_text().replace("max_model_len=256", "max_model_len=256, max_num_seqs=7"))
        await adopted.until(lambda: adopted.server.lifecycle.reloads["ok"] == 1)
        assert await adopted.invoke({"prompt": "Hello"}) == before
        assert f"{script}:" in caplog.text
        assert "wants max_num_seqs=7, and the engine already runs with vLLM's default; answers are the same" in (
            caplog.text
        )


@pytest.mark.parametrize("way", ["module", "start", "request"])
async def test_an_argument_that_changes_answers_is_refused(
    way: str, serve: Serve, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = written.write(tmp_path, "decorators", way, written.BLOCKING) / "model.py"
    async with serve(tmp_path, watches=True, MODEL=str(MODEL)) as adopted:
        before = await adopted.invoke({"prompt": "Hello"})
        script.write_text(
            script.read_text()
            .replace("max_model_len=256", "max_model_len=256, max_logprobs=5")
            .replace('body["prompt"]', '"of the edit"')
        )
        await adopted.until(lambda: adopted.server.lifecycle.reloads["refused"] == 1)
        assert "wants max_logprobs=5, and the engine already runs with vLLM's default" in capfd.readouterr().err
        assert await adopted.invoke({"prompt": "Hello"}) == before
