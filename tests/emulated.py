"""`handrail emulate` in a process of its own, and the boto3 client that asks it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests import forked
from tests.servers import HANDRAIL, PATIENCE_S, environment, eventually, free_port

ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE_S)
REGION = "us-east-1"


def client(service: str, url: str) -> Any:
    """An unmodified boto3 client that asks once."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=ONCE,
    )


class Emulated:
    """A `handrail emulate` on a port of 127.0.0.1."""

    def __init__(self, log: Path, *arguments: str | Path, **given: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        command = [HANDRAIL, "emulate", *arguments, "--port", str(self.port)]
        with log.open("w") as output:
            self.process = forked.start(command, environment(given), output, output)
        self.runtime = client("sagemaker-runtime", self.url)

    @property
    def output(self) -> str:
        return self._log.read_text()

    def says(self, text: str) -> None:
        """Return once `text` is in its output, which is also the container's."""
        eventually(lambda: text in self.output, f"{text!r} in\n{self.output}")

    def ready(self) -> Emulated:
        self.says("InService")
        return self

    def invoke(self, body: Any, name: str = "demo", **given: str) -> Any:
        """InvokeEndpoint with JSON: the whole answer, its body read."""
        given = {"ContentType": "application/json", **given}
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=json.dumps(body).encode(), **given)
        return {**answer, "Body": answer["Body"].read().decode()}

    def refusal(self, body: Any, name: str = "demo", **given: str) -> Any:
        """What InvokeEndpoint is refused with."""
        try:
            self.invoke(body, name, **given)
        except ClientError as error:
            return {**error.response, "Code": error.response["Error"]["Code"]}
        raise AssertionError("it was answered")

    def stream(self, body: Any, **given: str) -> Any:
        """InvokeEndpointWithResponseStream with JSON."""
        given = {"ContentType": "application/json", **given}
        return self.runtime.invoke_endpoint_with_response_stream(
            EndpointName="demo", Body=json.dumps(body).encode(), **given
        )

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE_S)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.exit_code()
