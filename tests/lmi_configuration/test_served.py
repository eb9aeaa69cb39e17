"""A directory with `serving.properties` and no script, served and checked on the echo engine."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from handrail_container.process.exits import ExitCode, SettingsError

from tests.container.test_server import Engine, engine, raising, running
from tests.servers import run_without_vllm

__all__ = ["engine"]

ONE = {"inputs": "one two"}


async def answers(folder: Path, text: str, *bodies: dict[str, Any], **given: str) -> list[httpx.Response]:
    (folder / "serving.properties").write_text(text)
    async with running(folder, HANDRAIL_ENGINE="echo", **given) as served:
        await served.answers(200)
        return [await served.http.post("/invocations", json=body) for body in bodies]


def kind(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return answer.headers["content-type"].partition(";")[0]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("option.output_formatter=json", ["application/json", "application/jsonlines", "application/json"]),
        ("option.output_formatter=jsonlines", ["application/jsonlines", "application/jsonlines", "application/json"]),
        ("option.output_formatter=sse", ["text/event-stream", "text/event-stream", "application/json"]),
        ("option.tgi_compat=true", ["application/json", "text/event-stream", "application/json"]),
    ],
)
async def test_a_stream_has_the_form_that_is_set(tmp_path: Path, text: str, kinds: list[str]) -> None:
    """Without `stream`, with it, and with several texts, which have no stream."""
    found = await answers(tmp_path, text, ONE, {**ONE, "stream": True}, {"inputs": ["one", "two"]})
    assert [kind(one) for one in found] == kinds


async def test_a_request_may_say_that_it_wants_no_stream(tmp_path: Path) -> None:
    (found,) = await answers(tmp_path, "option.output_formatter=sse", {**ONE, "stream": False})
    assert found.json() == {"generated_text": "one two"}


async def test_the_dialect_is_lmi_s_option_unless_ours_is_set(tmp_path: Path) -> None:
    (tgi,) = await answers(tmp_path, "option.tgi_compat=true", ONE)
    assert tgi.json() == [{"generated_text": "one twoone two"}]
    (ours,) = await answers(tmp_path, "option.tgi_compat=true", ONE, HANDRAIL_INPUTS_DIALECT="lmi")
    assert ours.json() == {"generated_text": "one two"}


async def test_the_log_says_once_what_each_key_becomes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "handrail")
    await answers(tmp_path, "option.seed=1\noption.async_mode=true")
    (line,) = [record.getMessage() for record in caplog.records if "LMI" in record.getMessage()]
    assert line == (
        "LMI's configuration: option.seed mapped: SM_VLLM_SEED=1; option.async_mode ignored: requests are always "
        "answered asynchronously"
    )


@pytest.mark.parametrize("step", ["preparing", "starting"])
async def test_a_flag_that_the_engine_refuses_is_named_by_its_line(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    (tmp_path / "serving.properties").write_text("option.seed=x")
    setattr(engine, step, raising(SettingsError("SM_VLLM_SEED is wrong")))
    async with running(tmp_path) as served:
        assert await served.exit_code() is ExitCode.SETTINGS
    assert f"handrail: {tmp_path}/serving.properties:1 option.seed (SM_VLLM_SEED) is wrong\n" in capsys.readouterr().err


def test_check_says_what_each_key_becomes(tmp_path: Path) -> None:
    """In the text and in the JSON, without vLLM."""
    (tmp_path / "serving.properties").write_text("option.max_rolling_batch_size=64\n")
    text = run_without_vllm("check", tmp_path, "--engine", "echo", OPTION_ASYNC_MODE="true")
    assert text.returncode == 0
    section = text.stdout.partition("LMI's configuration\n")[2].partition("\n\n")[0]
    assert section == (
        "  option.max_rolling_batch_size: mapped: SM_VLLM_MAX_NUM_SEQS=64\n"
        "  OPTION_ASYNC_MODE: ignored: requests are always answered asynchronously"
    )
    data = json.loads(run_without_vllm("check", tmp_path, "--engine", "echo", "--json", OPTION_ENGINE="Rust").stdout)
    assert data["config"] == [
        {
            "name": "option.max_rolling_batch_size",
            "where": f"{tmp_path}/serving.properties:1",
            "outcome": "mapped",
            "note": "SM_VLLM_MAX_NUM_SEQS=64",
        },
        {"name": "OPTION_ENGINE", "where": "", "outcome": "refused", "note": data["problems"][0].partition(": ")[2]},
    ]
    assert (data["exit_code"], data["problems"][0].startswith("OPTION_ENGINE: 'Rust' asks for")) == (2, True)
