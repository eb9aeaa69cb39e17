"""SageMaker from end to end without AWS: `handrail deploy` and boto3 against moto's server, and boto3's runtime client
against `handrail emulate`, in front of the demo model on real vLLM."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from conftest import FLAGS, MODEL
from trained import ARR, PING, PIRATE, answer_to, user

from tests.aws import ROLE, Aws
from tests.emulated import Emulated
from tests.examples import EXAMPLES
from tests.servers import HANDRAIL, PATIENCE_S, Served, environment

pytestmark = pytest.mark.vllm

NAME = "demo"
CHAT = {"messages": [user(PING)], "temperature": 0}
DEPLOY = {
    "--name": NAME,
    "--image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/handrail:1",
    "--role": ROLE,
    "--bucket": "files",
    "--instance-type": "ml.g4dn.xlarge",
    "--max-instances": "3",
}


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulated, Served]]:
    folder = tmp_path_factory.mktemp("sagemaker")
    sessions = {
        "SAGEMAKER_ENABLE_STATEFUL_SESSIONS": "true",
        "SAGEMAKER_SESSIONS_PATH": str(folder / "sessions"),
        "HANDRAIL_ADAPTERS_PATH": str(PIRATE.parent),
    }
    vllm = {**FLAGS, "SM_VLLM_MODEL": str(MODEL), "SM_VLLM_ENABLE_LORA": "true"}
    container = Served(EXAMPLES / "quickstart", folder / "container.log", **vllm, **sessions)
    front = Emulated(folder / "emulate.log", "--target", container.url, "--name", NAME)
    try:
        container.ready(4 * PATIENCE_S)
        yield front.ready(), container
    finally:
        assert front.stop() == 0
        assert container.stop() == 0


def text(answer: dict[str, Any]) -> str:
    return str(json.loads(answer["Body"])["text"])


def test_an_endpoint_is_deployed_with_autoscaling_and_deleted() -> None:
    """Nothing is left but what was uploaded."""
    with Aws().running() as aws:
        command = [HANDRAIL, "deploy", EXAMPLES / "quickstart"]
        words = [word for pair in DEPLOY.items() for word in pair]
        deployed = _run([*command, *words, "--no-check"], aws)  # its weights are not in the directory
        assert deployed.returncode == 0, deployed.stderr
        made = aws.made()
        assert made["endpoints"] == [NAME]
        (target,) = aws.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")[
            "ScalableTargets"
        ]
        assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 3)
        assert any(key.endswith("model.py") for key in aws.stored())
        deleted = _run([*command, "--name", NAME, "--delete"], aws)
        assert deleted.returncode == 0, deleted.stderr
        assert aws.made() == {"models": [], "configs": [], "endpoints": []}


def _run(command: list[Any], aws: Aws) -> subprocess.CompletedProcess[str]:
    given = environment(aws.environment())
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_it_is_invoked_and_streams(emulated: tuple[Emulated, Served]) -> None:
    front, _ = emulated
    assert text(front.invoke(CHAT)) == answer_to(PING)
    parts = [event["PayloadPart"]["Bytes"] for event in front.stream({**CHAT, "stream": True})["Body"]]
    events = b"".join(parts).decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    pieces = [json.loads(event.removeprefix("data: "))["choices"][0]["delta"] for event in events[:-2]]
    assert "".join(piece.get("content") or "" for piece in pieces) == answer_to(PING)


def test_a_session_is_opened_used_and_closed(emulated: tuple[Emulated, Served]) -> None:
    front, _ = emulated
    opened = front.invoke(CHAT, SessionId="NEW_SESSION")
    session = opened["NewSessionId"].partition(";")[0]
    assert text(opened) == text(front.invoke(CHAT, SessionId=session)) == answer_to(PING)
    assert front.invoke({"requestType": "CLOSE"}, SessionId=session)["ClosedSessionId"] == session
    refused = front.refusal(CHAT, SessionId=session)
    assert (refused["Code"], refused["OriginalStatusCode"]) == ("ModelError", 400)


def test_an_adapter_is_loaded_and_asked(emulated: tuple[Emulated, Served]) -> None:
    """The platform loads it in the container, and sends the name along."""
    front, container = emulated
    loaded = container.http.post("/adapters", json={"name": "pirate", "src": str(PIRATE)})
    assert loaded.status_code == 200, loaded.text
    with _sending(front, "X-Amzn-SageMaker-Adapter-Identifier", "pirate"):
        assert text(front.invoke(CHAT)) == ARR
    assert text(front.invoke(CHAT)) == answer_to(PING)
    with _sending(front, "X-Amzn-SageMaker-Adapter-Identifier", "nobody"):
        assert front.refusal(CHAT)["OriginalStatusCode"] == 404
    assert httpx.delete(f"{container.url}/adapters/pirate", trust_env=False).status_code == 200


@contextmanager
def _sending(front: Emulated, header: str, value: str) -> Iterator[None]:
    """What the client sends besides, as the platform does for an inference component that is an adapter."""

    def add(params: dict[str, Any], **_: Any) -> None:
        params["headers"][header] = value

    event = "before-call.sagemaker-runtime.InvokeEndpoint"
    front.runtime.meta.events.register(event, add)
    try:
        yield
    finally:
        front.runtime.meta.events.unregister(event, add)


def test_an_error_of_the_model_is_one_of_sagemakers(emulated: tuple[Emulated, Served]) -> None:
    front, _ = emulated
    refused = front.refusal({"messages": "none"})
    assert (refused["Code"], refused["OriginalStatusCode"]) == ("ModelError", 400)
    assert json.loads(refused["OriginalMessage"])["error"]["code"] == 400
    assert len(refused["OriginalMessage"].encode()) <= 2048
    assert front.refusal(CHAT, "another")["Code"] == "ValidationError"
