"""What a script does with its engine besides asking it: early, twice, in child processes, and to the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.vllm.adoption import written
from tests.vllm.adoption.conftest import SCRIPTS, Serve
from tests.vllm.conftest import MODEL

pytestmark = [pytest.mark.vllm, pytest.mark.xdist_group("adoption"), pytest.mark.asyncio(loop_scope="session")]

ARGUMENTS = json.dumps({"model": str(MODEL), "max_model_len": 128})


async def test_an_abort_reaches_the_requests_of_its_object_only(serve: Serve) -> None:
    async with serve(SCRIPTS / "same_ids", MODEL=str(MODEL)) as adopted:
        (one, whole), (other, aborted), (third, aborted_too) = await adopted.invoke({})
        assert {one, other, third} == {"1"}
        assert whole == 200
        assert aborted < 200
        assert aborted_too < 200


async def test_what_a_script_ends_and_copies_harms_nobody(serve: Serve) -> None:
    async with serve(SCRIPTS / "cleans_up", MODEL=str(MODEL)) as adopted:
        first = await adopted.invoke({"prompt": "Hello"})
        line = f"{SCRIPTS / 'cleans_up' / 'model.py'}:"
        assert "the engine was given up at " + line in first["used"]
        assert first["used"].startswith("AdoptionRefused: " + line)
        for said in (*first["before"].values(), first["after"]["pickle"], first["after"]["deepcopy"]):
            assert said.startswith(("TypeError: cannot pickle", "PicklingError: ")), said
        again = await adopted.invoke({"prompt": "Hello"})
        assert again["token_ids"] == first["token_ids"]
        chat = {"model": str(MODEL), "prompt": "Hello", "max_tokens": 2}
        assert (await adopted.http.post("/v1/completions", json=chat)).status_code == 200


async def test_a_use_before_the_engine_is_there_waits(serve: Serve) -> None:
    async with serve(SCRIPTS / "uses_early", ARGUMENTS=ARGUMENTS) as adopted:
        told = await adopted.invoke({})
        assert told["warm"] == [4, 4]
        assert told["newline"]
        assert adopted.flags == {"SM_VLLM_MODEL": str(MODEL), "SM_VLLM_MAX_MODEL_LEN": "128"}


async def test_a_lifespan_knows_the_tokenizer_and_the_model(serve: Serve) -> None:
    async with serve(SCRIPTS / "asks_while_it_starts", ARGUMENTS=ARGUMENTS) as adopted:
        told = await adopted.invoke({})
        assert told["tokens"] == told["awaited tokens"] != []
        assert told["length"] == 128  # of its own arguments
        assert told["awaited length"] == 512  # of the engine that all tests share


@pytest.mark.parametrize("by", ["fork", "multiprocessing"])
@pytest.mark.parametrize("use", ["generate", "tokenizer", "build", "asynchronous", "model_config"])
async def test_a_child_process_is_told_that_the_engine_is_not_there(by: str, use: str, serve: Serve) -> None:
    async with serve(SCRIPTS / "starts_children", MODEL=str(MODEL)) as adopted:
        said = await adopted.invoke({"by": by, "use": use})
        assert said.startswith(f"AdoptionRefused: {SCRIPTS / 'starts_children' / 'model.py'}:"), said
        assert "Start no processes, or let them ask http://127.0.0.1:" in said


async def test_the_environments_model_where_it_comes_first(serve: Serve, tmp_path: Path) -> None:
    folder = written.write(tmp_path, "decorators", "module", written.BLOCKING)
    environment = {"SM_VLLM_MODEL": str(MODEL), "HANDRAIL_ADOPT_MODEL": "environment"}
    async with serve(folder, MODEL="org/of-another-name", **environment) as adopted:
        assert adopted.flags == {**written.FLAGS, "SM_VLLM_MODEL": str(MODEL)}
        assert (await adopted.invoke({"prompt": "Hello"}))["token_ids"]
