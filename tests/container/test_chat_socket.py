"""SageMaker's bidirectional streaming: a handler's own conversation, or a stream of chats."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
from handrail_container.engine.echo.backend import EchoEngine
from handrail_container.engine.echo.client import EchoClient, Pace
from handrail_container.engine.echo.lora import EchoAdapters
from handrail_container.http.inbox import MOST_WAITING_BYTES
from handrail_container.routes.chat_socket import ChatSocket
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from tests.chat_socket import answer_of, text_of
from tests.conftest import Launch
from tests.examples import EXAMPLES
from tests.servers import SCRIPTS, Served, eventually, run

PATH = "/invocations-bidirectional-stream"
ADAPTER = str(EXAMPLES / "lora" / "adapter")
ADAPTER_HEADER = "X-Amzn-SageMaker-Adapter-Identifier"


def chat_socket(client: EchoClient) -> ChatSocket:
    adapters = EchoAdapters("echo")
    return ChatSocket(EchoEngine(client, "echo", adapters), adapters)


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def opened(served: Served, path: str = PATH, **headers: str) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{served.port}{path}", additional_headers=headers, proxy=None, open_timeout=30)


def end_of(connection: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as closed:
        connection.recv(timeout=30)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


# A handler's own.


@pytest.fixture(scope="module")
def served(serving: Launch) -> Served:
    return serving("stream_handler.py")


def test_messages_go_both_ways(served: Served) -> None:
    """And the connection ends with 1000 when the handler returns."""
    with opened(served) as connection:
        for said in ("a", "ü" * 100_000):
            connection.send(said)
            assert connection.recv(timeout=30) == said
        connection.send("tokens")
        assert connection.recv(timeout=30) == "2"
        connection.send("done")
        assert end_of(connection) == (1000, "")


def test_fragments_are_one_message(served: Served) -> None:
    """SageMaker's PARTIAL and COMPLETE parts, of text and of bytes."""
    with opened(served) as connection:
        connection.send(["one ", "two ", "", "three"])
        assert connection.recv(timeout=30) == "one two three"
        connection.send("size")
        connection.send(iter([b"x" * 70_000, b"y" * 70_000, b"z"]))
        assert connection.recv(timeout=30) == "140001"


def test_a_ping_is_answered_by_a_pong(served: Served) -> None:
    """While the handler waits, and between two fragments of a message."""
    with opened(served) as connection:
        assert connection.ping(b"alive?").wait(30)
    head = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
        raw.sendall((head + key).encode())
        while b"\r\n\r\n" not in raw.recv(4096):
            pass
        frames = (Frame(Opcode.TEXT, b"a", fin=False), Frame(Opcode.PING, b"p"), Frame(Opcode.CONT, b"b"))
        raw.sendall(b"".join(frame.serialize(mask=True) for frame in frames))
        assert raw.recv(3, socket.MSG_WAITALL) == Frame(Opcode.PONG, b"p").serialize(mask=False)
        assert raw.recv(4, socket.MSG_WAITALL) == Frame(Opcode.TEXT, b"ab").serialize(mask=False)


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ("close", 4000, "mine"),
        ("choose", 4001, "chosen"),
        ("refuse", 1011, "slow down"),
        ("fail", 1011, "Internal Server Error; the log has it under request_id=mine"),
    ],
)
def test_it_ends_with_a_code(served: Served, said: str, code: int, reason: str) -> None:
    with opened(served, **{"X-Amzn-SageMaker-Inference-Id": "mine"}) as connection:
        assert connection.response is not None
        assert connection.response.headers["X-Request-Id"] == "mine"
        connection.send(said)
        assert end_of(connection) == (code, reason)


def test_what_it_raised_is_in_the_log(served: Served) -> None:
    with opened(served, **{"X-Request-Id": "failing"}) as connection:
        connection.send("fail")
        end_of(connection)
    served.says(f"WS {PATH} 1011")
    assert "converse raised ValueError at" in served.stderr


def test_a_client_that_leaves_ends_it(served: Served) -> None:
    ended = served.stdout.count("converse ended")
    with opened(served) as connection:
        connection.send("a")
        connection.recv(timeout=30)
    eventually(lambda: served.stdout.count("converse ended") > ended, "the handler's end")


def test_one_found_by_its_name_and_a_models_answer(serving: Launch) -> None:
    """A Model's at its own path as well."""
    with opened(serving("named_stream_handler.py")) as connection:
        assert connection.recv(timeout=30) == "by name"
    model = serving("truss_socket.py", HANDRAIL_ACCESS_LOG="errors")
    for path in (PATH, "/v1/websocket"):
        with opened(model, path) as connection:
            connection.send("where")
            assert json.loads(connection.recv(timeout=30))[0] == path
    assert f"{PATH} is answered by Model.websocket" in model.stderr


def test_http_is_not_spoken_there(served: Served) -> None:
    assert served.http.post(PATH, json=chat("x")).status_code == 404


def test_it_asks_for_the_key(serving: Launch) -> None:
    served = serving(None, HANDRAIL_API_KEY="secret")
    with pytest.raises(InvalidStatus) as refused:
        opened(served)
    assert refused.value.response.status_code == 401
    with opened(served, Authorization="Bearer secret") as connection:
        connection.send(json.dumps(chat("in")))
        assert text_of(answer_of(connection, 30)) == "in"


def test_check_and_the_log_name_the_slot(served: Served) -> None:
    served.says(f"{PATH} is answered by converse (")
    checked = run("check", SCRIPTS, CUSTOM_SCRIPT_FILENAME="stream_handler.py", HANDRAIL_ENGINE="echo").stdout
    assert f"{PATH}\n    1 environment" in checked
    assert "▶ 2 decorator      decorated with @custom_stream_handler" in checked
    assert "async def converse(websocket, *, engine: Engine)" in checked


# Nobody's own: streaming chat.


@pytest.fixture(scope="module")
def default(serving: Launch) -> Served:
    return serving(None)


def test_each_message_is_answered_as_a_stream(default: Served) -> None:
    """A JSON message for each event, and `[DONE]`; in the order in which they were sent."""
    with opened(default) as connection:
        for said in ("one two", "three", "ü"):
            connection.send(json.dumps(chat(said), ensure_ascii=False))
        for said in ("one two", "three", "ü"):
            answer = answer_of(connection, 30)
            assert text_of(answer) == said
            assert {chunk["object"] for chunk in answer} == {"chat.completion.chunk"}
        connection.send(json.dumps(chat("no", stream=False)).encode())  # SageMaker's frames are binary unless told
        assert text_of(answer_of(connection, 30)) == "no"
        connection.send(json.dumps({"prompt": "a b"}))
        assert [chunk["choices"][0]["text"] for chunk in answer_of(connection, 30)] == ["a", " b"]


@pytest.mark.parametrize(
    ("said", "status", "message"),
    [
        ("{", 400, "the message is not JSON: "),
        ("", 400, "the message is not JSON: "),
        (b"\xff", 400, "the message is not JSON: "),
        ("[]", 400, 'a message is a JSON object with "messages"'),
        ('{"input": "x"}', 400, 'a message is a JSON object with "messages"'),
        ('{"messages": 1}', 400, "messages"),
    ],
)
def test_an_error_is_an_answer(default: Served, said: str | bytes, status: int, message: str) -> None:
    """In our envelope; the next message may fare better."""
    with opened(default, **{"X-Request-Id": "mine"}) as connection:
        connection.send(said)
        (answer,) = answer_of(connection, 30)
        assert (answer["error"]["code"], answer["error"]["request_id"]) == (status, "mine")
        assert answer["error"]["message"].startswith(message)
        connection.send(json.dumps(chat("next")))
        assert text_of(answer_of(connection, 30)) == "next"


def test_a_message_s_json_is_bounded_as_a_body_s(serving: Launch) -> None:
    """Before it is parsed; the connection goes on."""
    with opened(serving(None)) as connection:
        for said in ('{"messages":[' + "{}," * 60_000 + "{}]}", '{"messages":' + "[" * 5_000 + "]" * 5_000 + "}"):
            connection.send(said)
            (answer,) = answer_of(connection, 30)
            assert answer["error"]["code"] in (400, 413)
            assert "HANDRAIL_MAX_JSON_" in answer["error"]["message"]
        connection.send(json.dumps(chat("next")))
        assert text_of(answer_of(connection, 30)) == "next"


def test_it_streams_as_the_engine_does(serving: Launch) -> None:
    """The first message is there before the second is made, and a client that leaves ends the engine's request."""
    served = serving(None, HANDRAIL_ECHO_ITL_MS="60000")
    for _ in range(2):
        with opened(served) as connection:
            connection.send(json.dumps(chat("one two")))
            connection.send(json.dumps(chat("never")))
            assert text_of([json.loads(connection.recv(timeout=30)), json.loads(connection.recv(timeout=30))]) == "one"
    assert "Traceback" not in served.stderr


def test_a_stopping_server_closes_it_with_1012(launch: Launch) -> None:
    served = launch(SCRIPTS / "package", HANDRAIL_DRAIN_S="0.2").ready()
    with opened(served) as connection:
        connection.send(json.dumps(chat("one")))
        answer_of(connection, 30)
        served.signal()
        assert end_of(connection) == (1012, "service restart")
    assert served.exit_code() == 0


def test_without_an_engine_it_is_1003(serving: Launch) -> None:
    with opened(serving("named_handlers.py", HANDRAIL_ENGINE="none")) as connection:
        code, reason = end_of(connection)
    assert (code, "give model.py one" in reason) == (1003, True)


@pytest.mark.parametrize("script", ["stream_handler.py", None])
def test_the_header_sends_it_to_an_adapter(serving: Launch, script: str | None) -> None:
    """A handler's calls, or each chat that names no other; while it is open the adapter is in use."""
    served = serving(script, HANDRAIL_ADAPTERS_PATH=str(EXAMPLES / "lora"))
    said, sent_to = ("model", _model_of_handler) if script else (json.dumps(chat("x")), _model_of_chat)
    served.http.post("/adapters", json={"name": "poet", "src": ADAPTER}).raise_for_status()
    for headers, adapter in (({ADAPTER_HEADER: "poet"}, "poet"), ({}, "echo")):
        with opened(served, **headers) as connection:
            connection.send(said)
            assert sent_to(connection) == adapter
            in_use = served.http.get("/adapters/poet").json()["in_use"]
            assert in_use == (1 if headers else 0)
    eventually(lambda: served.http.delete("/adapters/poet").status_code == 200, "the adapter to be free")


def _model_of_handler(connection: ClientConnection) -> str:
    adapter, model = json.loads(connection.recv(timeout=30))
    assert adapter == (None if model == "echo" else model)
    return str(model)


def _model_of_chat(connection: ClientConnection) -> str:
    return str(answer_of(connection, 30)[0]["model"])


def test_an_adapter_whose_code_would_not_see_it_is_501(serving: Launch) -> None:
    """Not answered without its formatters; a template needs to see nothing."""
    adapters = SCRIPTS.parent / "adapters"
    served = serving(HANDRAIL_ADAPTERS_PATH=str(adapters), HANDRAIL_ADAPTERS_CODE="local")
    served.http.post("/adapters", json={"name": "loud", "src": str(adapters / "shouts")}).raise_for_status()
    said = f"the adapter 'loud' has code, {adapters}/shouts/model.py, which does not see what a WebSocket sends"
    for headers, body in (({ADAPTER_HEADER: "loud"}, chat("x")), ({}, {**chat("x"), "model": "loud"})):
        with opened(served, **headers) as connection:
            connection.send(json.dumps(body))
            (answer,) = answer_of(connection, 30)
            assert (answer["error"]["code"], said in answer["error"]["message"]) == (501, True)
            connection.send(json.dumps({**chat("x"), "model": "loud" if headers else "echo"}))
            assert ("error" in answer_of(connection, 30)[0]) is bool(headers)
    served.http.delete("/adapters/loud").raise_for_status()


def test_a_header_that_names_no_adapter_is_404(default: Served) -> None:
    """To each message: none is answered by the model itself."""
    with opened(default, **{ADAPTER_HEADER: "nobody"}) as connection:
        connection.send(json.dumps(chat("x")))
        (answer,) = answer_of(connection, 30)
        assert (answer["error"]["code"], "nobody" in answer["error"]["message"]) == (404, True)


# By itself: what no client can be sure to bring about.


async def test_what_a_client_asked_for_ends_with_it() -> None:
    """The engine's request is aborted by the time the connection is given up."""
    client = EchoClient(Pace(between_tokens_s=60))
    left = asyncio.Event()
    asked = {"type": "websocket.receive", "text": json.dumps(chat("a b"))}
    incoming: Any = iter([{"type": "websocket.connect"}, asked])

    async def receive() -> Message:
        for message in incoming:
            return message
        await left.wait()
        return {"type": "websocket.disconnect"}

    async def send(message: Message) -> None:
        if '"content":"a"' in message.get("text", ""):
            left.set()

    scope: Any = {"type": "websocket", "headers": [], "path": PATH, "state": {"request_id": "mine"}}
    with pytest.raises(WebSocketDisconnect) as ended:
        await chat_socket(client)(scope, receive, send)
    assert ended.value.code == 1005
    assert not client.running


async def test_what_waits_for_its_turn_is_bounded_in_bytes() -> None:
    """However few messages it is: its client is not read from meanwhile."""
    client = EchoClient(Pace(first_token_s=60))
    large = {"type": "websocket.receive", "text": json.dumps(chat("x" * MOST_WAITING_BYTES))}
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "websocket.connect"} if taken == 1 else large

    async def send(message: Message) -> None:
        """Nobody is there."""

    scope: Any = {"type": "websocket", "headers": [], "path": PATH, "state": {"request_id": "mine"}}
    talking = asyncio.create_task(chat_socket(client)(scope, receive, send))
    await asyncio.sleep(0.5)
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    assert taken == 3  # the connection, what is being answered, what waits
