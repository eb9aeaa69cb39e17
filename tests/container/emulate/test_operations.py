"""What of AWS's API is emulated: the document's lines of boto3 as they stand, and what the rest is refused with."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.container.emulate.conftest import Emulate
from tests.emulated import Emulated, client

DOCUMENT = (Path(__file__).parents[3] / "docs" / "how-to" / "emulate.md").read_text()
HAS = "`handrail emulate` has InvokeEndpoint and InvokeEndpointWithResponseStream."


@pytest.fixture(scope="module")
def emulated(start: Emulate, tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    return start(tmp_path_factory.mktemp("model"), "--engine", "echo").ready()


@pytest.fixture
def laptop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that knows nothing of AWS: no region, no credentials."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


@pytest.mark.usefixtures("laptop")
def test_the_documents_lines_run_as_they_stand(emulated: Emulated) -> None:
    """But for the port."""
    (lines,) = re.findall(r"```python\n(import boto3\n.*?)```", DOCUMENT, re.DOTALL)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(lines.replace("http://127.0.0.1:8080", emulated.url), {})
    assert '"text":"Hello!"' in out.getvalue().replace('": "', '":"')


@pytest.mark.usefixtures("laptop")
def test_the_first_line_it_prints_makes_a_client(emulated: Emulated) -> None:
    first = emulated.output.splitlines()[0]
    runtime: Any = eval(first, {"boto3": __import__("boto3")})
    answer = runtime.invoke_endpoint(EndpointName="any", ContentType="application/json", Body=b'{"prompt": "Hi!"}')
    assert b"Hi!" in answer["Body"].read()


def test_an_async_invocation_is_refused_by_its_name(emulated: Emulated) -> None:
    with pytest.raises(ClientError, match=r"InvokeEndpointAsync .* is not emulated") as refused:
        emulated.runtime.invoke_endpoint_async(EndpointName="demo", InputLocation="s3://bucket/key")
    assert refused.value.response["Error"]["Code"] == "UnknownOperationException"
    assert HAS in str(refused.value)


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("describe_endpoint", {"EndpointName": "demo"}),
        ("delete_endpoint", {"EndpointName": "demo"}),
        ("create_endpoint", {"EndpointName": "demo", "EndpointConfigName": "demo"}),
    ],
)
def test_what_makes_endpoints_is_refused_by_its_name(
    emulated: Emulated, operation: str, arguments: dict[str, str]
) -> None:
    name = operation.title().replace("_", "")
    with pytest.raises(ClientError, match=f": {name} is not emulated. {HAS}"):
        getattr(client("sagemaker", emulated.url), operation)(**arguments)


@pytest.mark.parametrize(
    ("method", "path", "says"),
    [
        (
            "POST",
            "/endpoints/demo/invocations-bidirectional-stream",
            "InvokeEndpointWithBidirectionalStream (POST ",
        ),
        ("POST", "/endpoints/demo/openai/v1/chat/completions", "The OpenAI path (POST /endpoints/demo/openai/v1/chat"),
        ("GET", "/endpoints/demo/invocations", "GET /endpoints/demo/invocations is not emulated"),
        ("PUT", "/bucket/key", "PUT /bucket/key is not emulated"),
        ("GET", "/", "GET / is not emulated"),
    ],
)
def test_what_is_no_operation_is_not_emulated(emulated: Emulated, method: str, path: str, says: str) -> None:
    answer = httpx.request(method, emulated.url + path)
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
    assert says in answer.json()["Message"]
    assert HAS in answer.json()["Message"]


def test_what_is_not_emulated_is_listed() -> None:
    section = DOCUMENT.partition("Not emulated")[2]
    for name in ("InvokeEndpointAsync", "InvokeEndpointWithBidirectionalStream", "openai/v1", "describes"):
        assert name in section
