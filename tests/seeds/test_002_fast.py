"""Seed 002, "Integrate Custom Model": its definition and snippet, word for word, against a remote API and an engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import httpx
import pytest
from handrail.styles.definition.snippet import Snippet
from handrail_container.program.definition.find import Defaults, DefinitionSource, find

from tests.examples import EXAMPLES
from tests.remote import Remote, Reply, serving
from tests.seeds import seed_002 as seed
from tests.servers import Served, run

KEY = "sk-hush-0123456789"
QUESTION = {"messages": [{"role": "user", "content": "hi", "conversation_id": "c1"}], "temperature": 0}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4.1-nano",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hello", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "prompt_tokens_details": {}},
}


def never(snippet: Snippet, engine_url: str) -> NoReturn:
    raise AssertionError("nothing is started here")


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    with serving(tmp_path_factory.mktemp("remote"), seed.HOST) as made:
        yield made


@pytest.fixture(scope="module")
def served(remote: Remote, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The files as the seed has them; no engine."""
    folder = seed.write(tmp_path_factory.mktemp("seed"))
    log = tmp_path_factory.mktemp("logs") / "log"
    made = Served(folder, log, "--engine", "none", OPENAI_API_KEY=KEY, **remote.variables)
    yield made.ready()
    made.stop()


def ask(served: Served, remote: Remote, reply: Reply) -> httpx.Response:
    remote.answers = lambda asked: reply
    return served.http.post("/invocations", json=QUESTION)


def test_the_remote_gets_what_the_snippet_sends(served: Served, remote: Remote) -> None:
    """And the client the canonical form: usage under its two names, whatever else is in a choice and its message."""
    answer = ask(served, remote, Reply(200, COMPLETION))
    assert answer.json() == {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hello", "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"num_prompt_tokens": 3, "num_completion_tokens": 1},
    }
    asked = remote.asked[-1]
    assert (asked.host, asked.path) == (seed.HOST, "/v1/chat/completions")
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.body == {**QUESTION, "model": "gpt-4.1-nano"}


def test_a_refusal_is_a_success(served: Served, remote: Remote) -> None:
    message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    answer = ask(served, remote, Reply(200, {"choices": [{"message": message}]}))
    assert answer.status_code == 200
    assert answer.json() == {"choices": [{"message": {**message, "content": ""}}]}


@pytest.mark.parametrize(
    ("reply", "code", "kind", "stage"),
    [
        (Reply(500, {"error": KEY}), 502, "upstream_error", "run_inference"),
        (Reply(401, {}), 502, "upstream_error", "run_inference"),
        (Reply(429, {}, {"Retry-After": "20"}), 429, "upstream_error", "run_inference"),
        (Reply(200, {"error": "no"}), 502, "bad_snippet_output", "process_output"),
        (Reply(200, {"choices": []}), 502, "bad_snippet_output", "result"),
    ],
)
def test_what_goes_wrong_there(served: Served, remote: Remote, reply: Reply, code: int, kind: str, stage: str) -> None:
    answer = ask(served, remote, reply)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["stage"]) == (code, kind, stage)
    assert error.get("upstream_status") == (reply.status if reply.status != 200 else None)
    assert answer.headers.get("retry-after") == reply.headers.get("Retry-After")
    assert KEY not in answer.text


def test_the_key_is_nowhere(served: Served, remote: Remote) -> None:
    """Not in the log of all this, nor in what check says."""
    folder = served.process.args[2]  # type: ignore[index]
    found = run("check", folder, "--engine", "none", OPENAI_API_KEY=KEY)
    assert found.returncode == 0
    assert "MODEL_ENDPOINT_API_KEY=***" in found.stdout
    assert "MODEL_KEY=gpt-4.1-nano" in found.stdout
    as_json = run("check", folder, "--json", "--engine", "none", OPENAI_API_KEY=KEY).stdout
    for text in (found.stdout, found.stderr, as_json, served.stderr, served.stdout):
        assert KEY not in text


def test_without_the_key_it_does_not_start(tmp_path: Path) -> None:
    """Where it would send `$OPENAI_API_KEY` for one."""
    done = run("serve", seed.write(tmp_path), "--engine", "none", "--port", "0")
    assert done.returncode == 3
    assert (
        "model.yaml:13 config.environment.MODEL_ENDPOINT_API_KEY is '$OPENAI_API_KEY', and OPENAI_API_KEY"
        in done.stderr
    )


def test_sixty_a_minute(tmp_path: Path, remote: Remote) -> None:
    """The sixty-first is refused."""
    remote.answers = lambda asked: Reply(200, COMPLETION)
    given = {"OPENAI_API_KEY": KEY, **remote.variables}
    served = Served(seed.write(tmp_path), tmp_path / "log", "--engine", "none", **given).ready()
    try:
        codes = [served.http.post("/invocations", json=QUESTION).status_code for _ in range(61)]
    finally:
        assert served.stop() == 0
    assert codes == [200] * 60 + [429]


def test_the_example_is_the_seeds_to_the_letter() -> None:
    """But for the address."""
    folder = EXAMPLES / "run_inference"
    assert (folder / "run_inference.py").read_text() == seed.SNIPPET
    assert (folder / "model.yaml").read_text() == seed.DEFINITION.replace(f'"{seed.URL}"', "$MODEL_ENDPOINT_URL")


@pytest.mark.parametrize("connection", [seed.CONNECTION, seed.ENVIRONMENT, seed.ADAPTER])
def test_the_fragments_make_definitions(tmp_path: Path, connection: str) -> None:
    """Each step's, with the snippet where it does not name one."""
    if "run_inference_snippet" not in connection:
        connection += '\n  run_inference_snippet: !include "./run_inference.py"\n'
    found = find(
        DefinitionSource(seed.write(tmp_path, f"{seed.DESCRIPTION}\n{connection}"), None, {}, tmp_path),
        Defaults(60, 4),
        never,
    )
    assert found is not None
    assert found.faults == ()


@pytest.mark.parametrize("form", seed.ENVIRONMENT_FORMS.splitlines()[1:])
def test_the_three_forms_of_a_key(tmp_path: Path, form: str) -> None:
    """Written out, of `.env`, and a secret: each is masked."""
    (tmp_path / ".env").write_text(f"API_KEY={KEY}\n")
    definition = seed.DEFINITION.partition("    MODEL_ENDPOINT_API_KEY")[0] + f"  {form}\n"
    found = find(DefinitionSource(seed.write(tmp_path, definition), None, {}, tmp_path), Defaults(60, 4), never)
    assert found is not None
    assert found.model is not None
    key = found.model.snippet.environment["API_KEY"]
    assert key == ("sk-…" if '"sk-' in form else KEY)
    assert list(found.model.secret_values) == [key]


def test_the_empty_signature_is_accepted(tmp_path: Path) -> None:
    definition = seed.DEFINITION.replace("$OPENAI_API_KEY", KEY)
    written = seed.write(tmp_path, definition, f"from typing import Any\n{seed.SIGNATURE}\n")
    found = find(DefinitionSource(written, None, {}, tmp_path), Defaults(60, 4), never)
    assert found is not None
    assert found.faults == ()
