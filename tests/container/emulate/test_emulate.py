"""An unmodified boto3 client against `handrail emulate`."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from botocore.exceptions import ClientError, EventStreamError

from tests.conftest import Launch
from tests.container.emulate.conftest import SCRIPT, Emulate
from tests.emulated import Emulated
from tests.servers import SCRIPTS, eventually, run

pytestmark = pytest.mark.slow

PREFIX = "x-amzn-sagemaker-"


@pytest.fixture(scope="module")
def shared(start: Emulate) -> Emulated:
    """Of the script, with limits short enough to be waited for. Tests leave it as it is."""
    limits = ("--timeout", "1", "--stream-timeout", "1.5", "--max-body-mb", "0.5")
    return start(SCRIPTS, "--engine", "echo", *limits, **SCRIPT).ready()


@pytest.fixture(scope="module")
def patient(start: Emulate) -> Emulated:
    """Of the same script, with the platform's own limits."""
    return start(SCRIPTS, "--engine", "echo", **SCRIPT).ready()


def test_a_model_directory_is_served_by_the_echo_engine(start: Emulate, tmp_path: Path) -> None:
    """Its default handlers; the container's log is in the emulator's output."""
    emulated = start(tmp_path, "--engine", "echo").ready()
    answer = emulated.invoke({"prompt": "hello there"})
    assert json.loads(answer["Body"])["choices"][0]["text"] == "hello there"
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("application/json", "AllTraffic")
    assert "ready after" in emulated.output
    assert f"endpoint_url='{emulated.url}'" in emulated.output


def test_a_stream_is_events(shared: Emulated) -> None:
    """The container's pieces, its media type and its attributes."""
    answer = shared.stream({"do": "beat", "beats": 3})
    assert (answer["ContentType"], answer["CustomAttributes"]) == ("text/plain; charset=utf-8", "beating")
    assert b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]) == b"0;1;2;"


def test_a_stream_comes_as_it_is_made(shared: Emulated) -> None:
    """The first event is not kept for the last."""
    began = time.monotonic()
    events = iter(shared.stream({"do": "beat", "beats": 2, "seconds": 0.6})["Body"])
    next(events)
    first = time.monotonic() - began
    assert [event["PayloadPart"]["Bytes"] for event in events] == [b"1;"]
    assert time.monotonic() - began >= first + 0.5


def test_only_headers_of_the_api_reach_the_container(shared: Emulated) -> None:
    """Neither Authorization nor what the client calls itself."""
    given = {
        "Accept": "text/plain",
        "CustomAttributes": "a=1,b=2",
        "TargetModel": "model.tar.gz",
        "TargetVariant": "blue",
        "TargetContainerHostname": "second",
        "InferenceId": "id-1",
        "SessionId": "NEW_SESSION",
        "PrefixAwareId": "prefix",
        "InferenceComponentName": "component",
        "EnableExplanations": "`true`",
    }
    answer = shared.invoke({"do": "headers"}, **given)
    headers = json.loads(answer["Body"])
    assert headers.pop("content-length") == "17"
    assert headers == {
        "content-type": "application/json",
        "accept": "text/plain",
        PREFIX + "custom-attributes": "a=1,b=2",
        PREFIX + "target-model": "model.tar.gz",
        PREFIX + "target-variant": "blue",
        PREFIX + "target-container-hostname": "second",
        PREFIX + "inference-id": "id-1",
        PREFIX + "session-id": "NEW_SESSION",
        PREFIX + "prefix-aware-id": "prefix",
        PREFIX + "inference-component": "component",
        PREFIX + "enable-explanations": "`true`",
    }
    assert answer["InvokedProductionVariant"] == "blue"


def test_an_adapter_is_named_to_the_container(shared: Emulated) -> None:
    """As the platform does for an adapter's inference component; a client's other headers are gone."""
    sent = {"Content-Type": "application/json", "X-Amzn-SageMaker-Adapter-Identifier": "french", "X-Mine": "1"}
    answer = httpx.post(f"{shared.url}/endpoints/demo/invocations", json={"do": "headers"}, headers=sent)
    assert answer.json()[PREFIX + "adapter-identifier"] == "french"
    assert {"x-mine", "user-agent", "accept-encoding"}.isdisjoint(answer.json())


def test_a_streams_accept_is_accept_to_the_container(shared: Emulated) -> None:
    """The operation has another name for it."""
    answer = shared.stream({"do": "headers"}, Accept="text/csv", SessionId="session-1")
    (event,) = answer["Body"]
    headers = json.loads(event["PayloadPart"]["Bytes"])
    assert (headers["accept"], headers[PREFIX + "session-id"]) == ("text/csv", "session-1")


def test_the_containers_headers_come_back(shared: Emulated) -> None:
    """Attributes and the sessions it made and closed."""
    session = "abc; Expires=2026-11-21T10:00:00Z"
    told = {"Custom-Attributes": "c=3", "New-Session-Id": session, "Closed-Session-Id": "old"}
    answer = shared.invoke({"do": "answer_with", "headers": told})
    assert (answer["CustomAttributes"], answer["NewSessionId"], answer["ClosedSessionId"]) == ("c=3", session, "old")


def test_a_header_of_the_wrong_form_is_left_out(shared: Emulated) -> None:
    """And the log says which; attributes that the container does not set are not sent back."""
    answer = shared.invoke({"do": "answer_with", "headers": {"New-Session-Id": "abc"}}, CustomAttributes="mine")
    assert {"NewSessionId", "CustomAttributes"}.isdisjoint(answer)
    shared.says("x-amzn-sagemaker-new-session-id is 'abc'")


@pytest.mark.parametrize(
    ("status", "side"), [(400, "client"), (418, "client"), (500, "server"), (503, "server"), (302, "server")]
)
def test_what_is_not_2xx_is_a_model_error(shared: Emulated, status: int, side: str) -> None:
    """424, with the container's own status and words."""
    refused = shared.refusal({"do": "refuse", "status": status, "text": "no"})
    assert (refused["Code"], refused["ResponseMetadata"]["HTTPStatusCode"]) == ("ModelError", 424)
    assert (refused["OriginalStatusCode"], refused["OriginalMessage"]) == (status, "no")
    assert refused["LogStreamArn"].endswith(":log-group:/aws/sagemaker/Endpoints/demo")
    assert f'Received {side} error ({status}) from primary with message "no"' in refused["Message"]


def test_a_long_message_is_cut(shared: Emulated) -> None:
    """At 2,048 bytes, never within a character."""
    refused = shared.refusal({"do": "refuse", "status": 400, "text": "x" + "é" * 2000})
    assert refused["OriginalMessage"] == "x" + "é" * 1023


def test_a_stream_that_is_refused_is_no_stream(shared: Emulated) -> None:
    """The same error as for a whole answer."""
    with pytest.raises(ClientError) as refused:
        shared.stream({"do": "refuse", "status": 400, "text": "no"})
    assert refused.value.response["OriginalStatusCode"] == 400


@pytest.mark.parametrize(
    ("member", "value"), [("CustomAttributes", "x" * 1025), ("InferenceId", "x" * 65), ("SessionId", "no_such form")]
)
def test_a_header_a_client_may_not_send_is_refused(shared: Emulated, member: str, value: str) -> None:
    """Before the container sees anything of it."""
    refused = shared.refusal({"do": "headers"}, **{member: value})
    assert refused["Code"] == "ValidationError"
    assert value in refused["Message"]


def test_no_session_begins_with_a_stream(shared: Emulated) -> None:
    """NEW_SESSION is for InvokeEndpoint."""
    with pytest.raises(ClientError, match=r"ValidationError.*NEW_SESSION"):
        shared.stream({"do": "headers"}, SessionId="NEW_SESSION")


def test_a_body_over_the_limit_is_refused(shared: Emulated) -> None:
    """What is at the limit is not."""
    limit = 512 * 1024
    for size in (limit, limit + 1):
        send = {"EndpointName": "demo", "Body": b"x" * size, "ContentType": "text/plain"}
        if size <= limit:
            assert json.load(shared.runtime.invoke_endpoint(**send)["Body"]) == {"bytes": limit}
        else:
            with pytest.raises(ClientError, match=r"ValidationError.*oversize body: 524289 bytes, over 524288"):
                shared.runtime.invoke_endpoint(**send)


def test_what_the_platform_lets_through_the_container_takes(patient: Emulated) -> None:
    """To the byte, with the defaults of both."""
    largest = 25 * 1024 * 1024
    send = {"EndpointName": "demo", "ContentType": "text/plain"}
    answer = patient.runtime.invoke_endpoint(**send, Body=bytes(largest))
    assert json.load(answer["Body"]) == {"bytes": largest}
    with pytest.raises(ClientError, match=r"ValidationError.*oversize body: 26214401 bytes"):
        patient.runtime.invoke_endpoint(**send, Body=bytes(largest + 1))


def test_an_answer_that_takes_too_long_is_a_model_error(shared: Emulated) -> None:
    """Of status 0, when the time is over."""
    began = time.monotonic()
    refused = shared.refusal({"do": "sleep", "seconds": 30})
    assert 1 <= time.monotonic() - began < 20
    assert (refused["Code"], refused["OriginalStatusCode"]) == ("ModelError", 0)
    assert "timed out" in refused["OriginalMessage"]


def test_a_whole_answer_that_trickles_takes_too_long_as_well(shared: Emulated) -> None:
    """The time is that of the whole answer."""
    assert shared.refusal({"do": "beat", "beats": 100, "seconds": 0.1})["OriginalStatusCode"] == 0


def test_a_whole_answer_that_breaks_off_is_a_model_error(shared: Emulated) -> None:
    """Nothing of a half answer is given out."""
    refused = shared.refusal({"do": "beat", "beats": 1, "breaks": True})
    assert (refused["OriginalStatusCode"], "closed the connection" in refused["OriginalMessage"]) == (0, True)


def broken_stream(emulated: Emulated, body: Any) -> tuple[bytes, EventStreamError]:
    """What came before the exception in the stream, and the exception."""
    pieces: list[bytes] = []
    events = emulated.stream(body)["Body"]
    with pytest.raises(EventStreamError) as broken:
        pieces.extend(event["PayloadPart"]["Bytes"] for event in events)
    events.close()
    return b"".join(pieces), broken.value


def test_a_stream_that_takes_too_long_ends_in_an_exception(shared: Emulated) -> None:
    """What came in time stays."""
    came, error = broken_stream(shared, {"do": "beat", "beats": 100, "seconds": 0.5})
    assert came.startswith(b"0;1;")
    assert error.response["Error"]["Code"] == "ModelStreamError"
    assert "1.5 seconds" in str(error)


def test_a_stream_that_breaks_off_ends_in_an_exception(shared: Emulated) -> None:
    """A cut answer is no success."""
    came, error = broken_stream(shared, {"do": "beat", "beats": 2, "breaks": True})
    assert came == b"0;1;"
    assert error.response["Error"]["Code"] == "ModelStreamError"
    assert "broke its answer off" in str(error)


def test_a_client_that_leaves_a_stream_takes_the_containers_request_with_it(patient: Emulated) -> None:
    """The emulator does not read on for nobody."""
    body = json.dumps({"do": "beat", "beats": 10_000, "seconds": 0.05}).encode()
    head = "POST /endpoints/demo/invocations-response-stream HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", patient.port)) as connection:
        connection.sendall(head.encode() + body)
        connection.recv(100)
    patient.says("the beats ended")


def test_an_endpoint_that_is_not_named_is_not_found(start: Emulate, launch: Launch, tmp_path: Path) -> None:
    """--name says which there are; --target is a container that is served already."""
    served = launch(tmp_path).ready()
    emulated = start("--target", served.url, "--name", "one", "--name", "two").ready()
    assert emulated.invoke({"prompt": "hello"}, "one")["ResponseMetadata"]["HTTPStatusCode"] == 200
    refused = emulated.refusal({"prompt": "hello"}, "three")
    assert refused["Code"] == "ValidationError"
    assert "three" in refused["Message"]
    served.signal()
    assert served.exit_code() == 0
    assert emulated.refusal({"prompt": "hello"}, "two")["Code"] == "ServiceUnavailable"
    assert emulated.stop(signal.SIGINT) == 0


def test_a_slow_ping_makes_it_unavailable(patient: Emulated) -> None:
    """Two seconds, and it is in service again when /ping is in time."""
    emulated = patient
    emulated.invoke({"do": "slow_ping", "pings": [3]})
    emulated.says("unhealthy: /ping")
    refused = emulated.refusal({"do": "headers"})
    assert (refused["Code"], refused["ResponseMetadata"]["HTTPStatusCode"]) == ("ServiceUnavailable", 503)
    served = next(child for child in psutil.Process(emulated.process.pid).children())
    port = next(one.laddr.port for one in served.net_connections() if one.status == psutil.CONN_LISTEN)
    httpx.post(f"http://127.0.0.1:{port}/invocations", json={"do": "slow_ping", "pings": []}, trust_env=False)
    eventually(lambda: emulated.output.count("InService") >= 2, "to be in service again")


@pytest.mark.parametrize("arguments", [("--target", "http://127.0.0.1:1"), ()])
def test_a_port_that_is_taken_is_refused(arguments: tuple[str, ...]) -> None:
    """In the words of serve."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run("emulate", "--port", port, *arguments)
    assert (ended.returncode, f"cannot listen on 127.0.0.1:{port}" in ended.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((SCRIPTS, "--target", "http://127.0.0.1:1"), "give DIR or --target, not both"),
        (("--target", "127.0.0.1:1"), "--target is '127.0.0.1:1': write a URL"),
    ],
)
def test_a_target_that_cannot_be_is_refused(arguments: tuple[str | Path, ...], words: str) -> None:
    ended = run("emulate", *arguments)
    assert (ended.returncode, words in ended.stderr) == (2, True)
