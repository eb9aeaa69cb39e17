"""Engines that the server cannot be: the start is refused, with the line of the script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from handrail_container.process.exits import ExitCode

from tests import servers
from tests.vllm.adoption import written
from tests.vllm.adoption.conftest import SCRIPTS, Refused
from tests.vllm.conftest import MODEL

pytestmark = [pytest.mark.vllm, pytest.mark.xdist_group("adoption"), pytest.mark.asyncio(loop_scope="session")]


async def test_two_engines_that_differ(refused: Refused) -> None:
    code, said = await refused(SCRIPTS / "two_engines", MODEL=str(MODEL))
    script = SCRIPTS / "two_engines" / "model.py"
    assert code == ExitCode.SCRIPT
    assert f"{script}:9 wants max_logprobs=5, and the engine already runs with vLLM's default" in said
    assert f"(the engine is that of {script}:8)" in said


async def test_two_models(refused: Refused) -> None:
    code, said = await refused(SCRIPTS / "two_engines", MODEL=str(MODEL), OTHER="/models/other")
    script = SCRIPTS / "two_engines" / "model.py"
    assert code == ExitCode.SCRIPT
    assert f'{script}:9 asks for "/models/other", and this server\'s engine is "{MODEL}": there is one engine' in said
    assert f"(the engine is that of {script}:8)" in said


@pytest.mark.parametrize("way", ["module", "start", "request"])
async def test_a_model_of_the_environment_that_is_not_the_scripts(way: str, refused: Refused, tmp_path: Path) -> None:
    folder = written.write(tmp_path, "decorators", way, written.BLOCKING)
    code, said = await refused(folder, MODEL=str(MODEL), SM_VLLM_MODEL="/models/other")
    assert code == ExitCode.SCRIPT
    assert f'SM_VLLM_MODEL is "/models/other", and the script builds "{MODEL}"' in said
    assert f"{folder / 'model.py'}:" in said


async def test_a_construction_that_the_script_swallows(refused: Refused) -> None:
    code, said = await refused(SCRIPTS / "goes_on_without", MODEL=str(MODEL))
    assert code == ExitCode.SCRIPT
    assert f"{SCRIPTS / 'goes_on_without' / 'model.py'}:9" in said
    assert "tpu" in said


async def test_a_model_that_is_not_there_while_load_waits_for_it(refused: Refused) -> None:
    code, said = await refused(SCRIPTS / "waits_in_load", ARGUMENTS=json.dumps({"model": "/nowhere/model"}))
    assert code == ExitCode.SETTINGS
    assert "the model '/nowhere/model' does not exist" in said
    assert f"{SCRIPTS / 'waits_in_load' / 'model.py'}:11 builds this engine" in said


@pytest.mark.slow
async def test_an_engine_that_fails_while_load_waits_for_it() -> None:
    arguments = json.dumps({"model": str(MODEL), "max_model_len": 10**6})
    port = str(servers.free_port())
    ran = servers.run("serve", SCRIPTS / "waits_in_load", "--port", port, ARGUMENTS=arguments)
    assert ran.returncode == ExitCode.SETTINGS, ran.stderr
    assert "max_model_len" in ran.stderr
    assert f"{SCRIPTS / 'waits_in_load' / 'model.py'}:11 builds this engine" in ran.stderr
