"""A directory with `serving.properties` and no script, on vLLM; the flags that LMI's options become are vLLM's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from handrail_container.engine.vllm import arguments
from handrail_container.program.lmi import options, ruling
from handrail_container.settings.vllm_flags import PREFIX

from tests.examples import MODEL
from tests.lmi_configuration.page import rows
from tests.servers import PATIENCE_S, Served, run

pytestmark = pytest.mark.vllm

TEXT = f"""
engine=Python
option.model_id={MODEL}
option.rolling_batch=vllm
option.max_model_len=256
option.max_rolling_batch_size=4
option.dtype=fp32
option.served_model_name=lmi
option.enable_prefix_caching=false
"""
MEMORY = {"SM_VLLM_KV_CACHE_MEMORY_BYTES": "268435456"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("lmi")
    (folder / "serving.properties").write_text(TEXT)
    started = Served(folder, folder / "log", OPTION_OUTPUT_FORMATTER="jsonlines", TENSOR_PARALLEL_DEGREE="1", **MEMORY)
    try:
        yield started.ready(4 * PATIENCE_S)
    finally:
        assert started.stop() == 0


def test_it_serves_what_the_file_says(served: Served) -> None:
    (model,) = served.http.get("/v1/models").json()["data"]
    assert (model["id"], model["root"], model["max_model_len"]) == ("lmi", str(MODEL), 256)


def test_it_answers_as_the_environment_says(served: Served) -> None:
    """A stream where the request does not say, a whole answer where it asks for none."""
    body = {"inputs": "user: What does /ping do?", "parameters": {"max_new_tokens": 8, "do_sample": False}}
    streamed = served.http.post("/invocations", json=body).raise_for_status()
    assert streamed.headers["content-type"].startswith("application/jsonlines")
    whole = served.http.post("/invocations", json={**body, "stream": False}).raise_for_status().json()
    assert whole["generated_text"]
    assert f'"generated_text":"{whole["generated_text"]}"' in streamed.text.splitlines()[-1]


def test_an_option_that_nobody_knows_is_refused_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "serving.properties").write_text(f"option.model_id={MODEL}\noption.max_rolling_batch_sise=4\n")
    checked = run("check", tmp_path, OPTION_MAX_MODEL_LEN="many")
    assert checked.returncode == 2
    file = tmp_path / "serving.properties"
    named = f"{file}:2 option.max_rolling_batch_sise (SM_VLLM_MAX_ROLLING_BATCH_SISE) is not a flag of vLLM"
    assert f"handrail: {named}" in checked.stdout
    assert "(LMI has option.max_rolling_batch_size)" in checked.stdout
    assert "handrail: OPTION_MAX_MODEL_LEN (SM_VLLM_MAX_MODEL_LEN)='many' is refused by vLLM" in checked.stdout


@pytest.mark.filterwarnings("ignore")  # torch's and transformers' own, while they are imported
def test_the_page_s_flags_are_vllm_s() -> None:
    """And those that it has no more are none."""
    known = {variable.partition("=")[0] for variable in arguments.variables().values()}
    told = {row.note.partition("=")[0] for row in rows() if row.outcome == "mapped"} - {f"{PREFIX}MODEL"}
    assert told - known == set()
    assert {f"{PREFIX}NO_{name}" for name in ruling._ON} <= known
    gone = {name for name, note in options._REASONS.items() if note.startswith(options._NO_VLLM)}
    assert {f"{PREFIX}{name.upper()}" for name in gone} & known == set()  # nothing that vLLM would obey is ignored
