from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from handrail_container.sagemaker.emulate.container import Container

from tests.servers import SCRIPTS, environment


async def test_one_that_does_not_heed_sigterm_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """After the time it has, as the platform does."""
    heard = tmp_path / "imported"
    given = {"CUSTOM_SCRIPT_FILENAME": "ignores_sigterm.py", "HANDRAIL_ENGINE": "echo", "IMPORTED": str(heard)}
    container = Container(environment({"SAGEMAKER_MODEL_PATH": str(SCRIPTS), **given}), stop_s=0.3)
    running = asyncio.create_task(container.run())
    while not heard.exists():
        await asyncio.sleep(0.01)
    await container.stop()
    assert await running == -9
    assert "did not end within 0.3 s of SIGTERM" in caplog.text
    await container.stop()  # once more is nothing


async def test_one_that_never_ran_has_nothing_to_stop() -> None:
    await Container({}).stop()
