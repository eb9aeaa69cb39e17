"""A definition behind the server: its errors, its limits, its workers' life, on the echo engine and on none."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served, run, run_without_vllm

TOLD = SCRIPTS / "definition_told"
SECRET = "hush-0123456789"
ECHO = {"HANDRAIL_ENGINE": "echo", "TOLD_SECRET": SECRET}
CHAT = {"messages": [{"role": "user", "content": "a word"}]}
SAYS = """key: k
display_name: K
{more}
config:
  connection_type: custom_inference
  run_inference_snippet: !include run.py
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(TOLD, tmp_path_factory.mktemp("told") / "log", HANDRAIL_SNIPPET_QUEUE="50", **ECHO)
    yield served.ready()
    served.stop()


def ask(served: Served, do: str, **more: Any) -> httpx.Response:
    return served.http.post("/invocations", json={"do": do, **more})


def written(folder: Path, snippet: str, more: str = "task: custom") -> Path:
    (folder / "model.yaml").write_text(SAYS.format(more=more))
    (folder / "run.py").write_text(snippet)
    return folder


def test_an_answer_a_sibling_and_the_environment(told: Served) -> None:
    assert ask(told, "tell").json() == ["of a sibling", 5, len(SECRET)]


@pytest.mark.parametrize(
    ("do", "code", "kind", "said"),
    [
        (
            {"do": "fail"},
            500,
            "snippet_error",
            f"run_inference raised ValueError: it failed with *** ({TOLD / 'run.py'}:21)",
        ),
        ({"do": "teapot"}, 418, "snippet_error", "run_inference raised Teapot: short and stout ("),
        ({"do": "upstream", "status": 500}, 502, "upstream_error", "HTTPStatusError"),
        ({"do": "upstream", "status": 429}, 429, "upstream_error", "HTTPStatusError"),
        (
            {"do": "no text"},
            502,
            "bad_snippet_output",
            f"a dict, not a str ({TOLD / 'run.py'}:17): write `json.dumps(…)`",
        ),
        ({"do": "exit"}, 500, "worker_crashed", "exit status 3"),
        ({"do": "crash"}, 500, "worker_crashed", f"signal SIGSEGV, at {TOLD / 'run.py'}:47"),
        ({"do": "sleep"}, 504, "gateway_timeout", f"stopped after 1 s, which is its timeout, at {TOLD / 'run.py'}:45"),
        ({"do": "unheard of"}, 500, "snippet_error", "KeyError: 'unheard of'"),
    ],
)
def test_what_goes_wrong_has_its_code_and_its_stage(told: Served, do: Any, code: int, kind: str, said: str) -> None:
    """And the next request is answered."""
    answer = told.http.post("/invocations", json=do)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"], error["stage"]) == (code, code, kind, "run_inference")
    assert said in error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]
    assert error.get("upstream_status") == do.get("status")
    assert answer.headers.get("retry-after") == ("7" if code == 429 else None)
    assert answer.headers.get("x-should-retry") == ("false" if code == 504 else None)
    assert ask(told, "tell").status_code == 200


def test_a_body_that_is_no_json(told: Served) -> None:
    answer = told.http.post("/invocations", content=b"{")
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["stage"]) == (400, "bad_request", "input")


def test_the_log_has_the_traceback_and_what_was_printed_but_no_secret(told: Served) -> None:
    request_id = ask(told, "fail").headers["x-request-id"]
    ask(told, "print")
    told.says("printed by the snippet")
    told.says("ValueError: it failed with ***")
    assert f"request_id={request_id}\n    Traceback" in told.stderr
    assert SECRET not in told.stderr


def test_the_snippet_asks_the_engine_and_nobody_waits_for_ever(told: Served) -> None:
    """One worker, many requests at once, and each of them asks the server that waits for it."""
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda number: ask(told, "ask", say=f"number {number}").text, range(20)))
    assert answers == [f"number {number}" for number in range(20)]


def test_ping_is_green_while_a_snippet_is_stuck(told: Served) -> None:
    stuck = threading.Thread(target=ask, args=(told, "sleep"))
    stuck.start()
    assert told.http.get("/ping").status_code == 200
    stuck.join()


def test_check_tells_what_it_is_and_no_secret(tmp_path: Path) -> None:
    """Without vLLM, and without running the snippet."""
    found = run_without_vllm("check", TOLD, "--engine", "none", TOLD_SECRET=SECRET)
    assert found.returncode == 0, found.stdout + found.stderr
    text = " ".join(found.stdout.split())
    for said in (
        f"▶ 4 whole model the definition {TOLD / 'model.yaml'}",
        "key: told (Does as it is told)",
        "task: custom",
        "adapter: latticeflow$identity",
        "def run_inference(body, environment, sample='unset', *, engine)",
        "workers: 1 (max_concurrent_requests): one process runs one request after another, so all of them share its",
        "timeout: 1 s (the definition)",
        "rate_limit: none",
        "environment: TOKEN=***",
        "environment: NUMBER=5",
    ):
        assert said in text
    data = run("check", TOLD, "--json", **ECHO)
    definition = json.loads(data.stdout)["definition"]
    assert (definition["workers"], definition["environment"]) == (1, {"TOKEN": "***", "NUMBER": 5})
    arguments = json.loads(data.stdout)["slots"]["invocation"]["handler"]["arguments"]
    assert arguments == {"body": "input", "environment": "environment", "sample": "sample", "engine": "engine"}
    for output in (found.stdout, found.stderr, data.stdout, data.stderr):
        assert SECRET not in output


def test_check_says_where_a_number_comes_from(tmp_path: Path) -> None:
    folder = written(tmp_path, "def run_inference(body, environment): ...", "rate_limit: 9\n")
    text = " ".join(run("check", folder, HANDRAIL_SNIPPET_TIMEOUT_S="90", **ECHO).stdout.split())
    assert "workers: 4 (HANDRAIL_SNIPPET_WORKERS): each process has globals of its own" in text
    assert "timeout: 90 s (HANDRAIL_SNIPPET_TIMEOUT_S)" in text
    assert "rate_limit: 9 requests in any 60 s" in text
    assert "warning: timeout is 90 s, and SageMaker ends an invocation after 60 s" in text


def test_a_refused_definition_is_exit_3_with_every_problem(tmp_path: Path) -> None:
    """In check as in serve, and without the secrets it has."""
    folder = written(tmp_path, "def run_inference(body): ...", f"rate_limit: 0\nsecrets: {{A: {SECRET}, B: [1]}}\nx: 1")
    for done in (run("check", folder, **ECHO), run("serve", folder, "--port", "0", **ECHO)):
        assert done.returncode == 3
        said = done.stdout + done.stderr
        for problem in (
            "model.yaml:3 rate_limit is 0",
            "model.yaml:4 secrets.B",
            "model.yaml:5 x is no",
            "run.py:1 def run",
        ):
            assert problem in said
        assert SECRET not in said


def test_a_definition_that_is_named_and_missing_is_exit_2(tmp_path: Path) -> None:
    done = run("serve", tmp_path, "--port", "0", HANDRAIL_DEFINITION="other.yaml", **ECHO)
    assert (done.returncode, "HANDRAIL_DEFINITION is 'other.yaml'" in done.stderr) == (2, True)


def test_a_snippet_that_cannot_be_imported_is_exit_3(tmp_path: Path) -> None:
    snippet = "import nowhere_at_all\ndef run_inference(body, environment): return body"
    done = run("serve", written(tmp_path, snippet), "--port", "0", **ECHO)
    assert done.returncode == 3
    assert f"{tmp_path / 'run.py'}:1 failed to import: ModuleNotFoundError" in done.stderr


def test_over_the_rate_and_only_there(launch: Launch, tmp_path: Path) -> None:
    """The engine's own routes have no rate."""
    snippet = "def run_inference(body, environment): return body"
    served = launch(written(tmp_path, snippet, "task: custom\nrate_limit: 2")).ready()
    assert [served.http.post("/invocations", json=1).status_code for _ in range(3)] == [200, 200, 429]
    refused = served.http.post("/invocations", json=1)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["error"]["type"] == "too_many_requests"
    body = {"messages": [{"role": "user", "content": "a"}]}
    assert served.http.post("/v1/chat/completions", json=body).status_code == 200


def test_all_busy_and_the_queue_full(launch: Launch, tmp_path: Path) -> None:
    """And what a client is told of a failure where it is to hear no details."""
    snippet = f"""
import pathlib, time
enough = pathlib.Path({str(tmp_path / "enough")!r})
def run_inference(body, environment):
    print("asleep")
    while not enough.exists(): time.sleep(0.01)
    raise KeyError("of the snippet")
"""
    hides = {"HANDRAIL_SNIPPET_QUEUE": "0", "HANDRAIL_ERROR_DETAIL": "none"}
    served = launch(written(tmp_path, snippet, "task: custom\nmax_concurrent_requests: 1"), **hides).ready()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(served.http.post, "/invocations", json=1)
        served.says("asleep")
        refused = served.http.post("/invocations", json=2)
        (tmp_path / "enough").touch()
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["message"] == "every worker is busy, and no more requests may wait"
        hidden = first.result().json()["error"]
    assert (hidden["message"], hidden["type"]) == (
        "run_inference failed; the log has it under the request id",
        "snippet_error",
    )


def test_without_an_engine_none_is_loaded(launch: Launch) -> None:
    """And asking for it is told from what goes wrong in it."""
    served = launch(TOLD, "--engine", "none", TOLD_SECRET=SECRET).ready()
    assert ask(served, "tell").status_code == 200
    error = ask(served, "ask", say="a").json()["error"]
    assert (error["code"], "HANDRAIL_ENGINE is none" in error["message"]) == (501, True)
    loaded = {Path(mapped.path).name for mapped in psutil.Process(served.process.pid).memory_maps()}
    assert not [name for name in loaded if "torch" in name or "vllm" in name]


def test_what_stands_around_handlers_stands_around_it(launch: Launch, tmp_path: Path) -> None:
    """A formatter and a ping of a script beside it."""
    shutil.copytree(TOLD, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.py").write_text(
        "from handrail import output_formatter\n"
        "@output_formatter\ndef after(response):\n    response.headers['X-After'] = 'yes'\n"
        "def custom_sagemaker_ping_handler(): return True\n"
    )
    served = launch(tmp_path, **ECHO).ready()
    assert ask(served, "tell").headers["x-after"] == "yes"
    failed = ask(served, "fail")
    assert (failed.status_code, failed.headers["x-after"], failed.json()["error"]["stage"]) == (
        500,
        "yes",
        "run_inference",
    )


def test_the_engine_is_asked_with_the_key_that_the_server_asks_for(launch: Launch) -> None:
    served = launch(TOLD, HANDRAIL_API_KEY="a key/with@signs:1", **ECHO).ready()
    assert ask(served, "ask", say="a").status_code == 401
    served.http.headers["Authorization"] = "Bearer a key/with@signs:1"
    assert ask(served, "ask", say="a").text == "a"
