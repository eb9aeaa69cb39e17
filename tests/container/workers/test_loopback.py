from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from handrail.styles.definition.runner import SnippetRaised
from handrail_container.program.workers.loopback import EngineClient, EngineError

from tests.conftest import Launch
from tests.container.workers.conftest import MakePool

CHAT = {"messages": [{"role": "user", "content": "to the engine"}]}


async def test_a_snippet_asks_the_engine(make_pool: MakePool, serving: Launch) -> None:
    pool = make_pool("asks_the_engine", engine_url=serving().url)
    await pool.start()
    chat = json.loads(await pool.run(json.dumps(["chat_completions", CHAT]), request_id="r"))
    assert chat["choices"][0]["message"]["content"] == "to the engine"
    text = json.loads(await pool.run(json.dumps(["completions", {"prompt": "this"}]), request_id="r"))
    assert text["choices"][0]["text"] == "this"
    vectors = json.loads(await pool.run(json.dumps(["embeddings", {"input": "this"}]), request_id="r"))
    assert vectors["data"][0]["embedding"]


async def test_the_engines_own_error_keeps_its_status(make_pool: MakePool, serving: Launch) -> None:
    pool = make_pool("asks_the_engine", engine_url=serving().url)
    await pool.start()
    with pytest.raises(SnippetRaised, match="EngineError") as raised:
        await pool.run(json.dumps(["chat_completions", {}]), request_id="r")
    assert raised.value.status_code in (400, 422)


async def test_without_an_engine_it_says_so(make_pool: MakePool) -> None:
    pool = make_pool("asks_the_engine")
    await pool.start()
    with pytest.raises(SnippetRaised, match="HANDRAIL_ENGINE is none"):
        await pool.run(json.dumps(["chat_completions", CHAT]), request_id="r")


def test_a_stream_is_refused() -> None:
    with pytest.raises(EngineError, match="leave out `stream`"):
        EngineClient("http://127.0.0.1:1", "r").completions({"prompt": "this", "stream": True})


@pytest.fixture
def answering() -> Iterator[tuple[str, list[tuple[int, bytes]], list[str]]]:
    """A server's address, the answers it has to give, and the request ids it has seen."""
    answers: list[tuple[int, bytes]] = []
    seen: list[str] = []

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.headers["X-Request-Id"])
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = answers.pop()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}", answers, seen
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (400, b'{"error": {"message": "too long"}}', "too long"),
        (500, b'{"message": "from vLLM"}', "from vLLM"),
        (500, b'["odd"]', r"\['odd'\]"),
        (503, b"gone", "answered 503 without JSON"),
    ],
)
def test_errors_of_any_shape(
    answering: tuple[str, list[tuple[int, bytes]], list[str]], status: int, body: bytes, message: str
) -> None:
    url, answers, seen = answering
    answers.append((status, body))
    with pytest.raises(EngineError, match=message) as raised:
        EngineClient(url, "r-7").completions({"prompt": "this"})
    assert raised.value.status_code == (502 if body == b"gone" else status)
    assert seen == ["r-7"]
