"""What a failed deployment says it took back is what there was."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.aws import Aws
from tests.container.deploy.conftest import Deploy

pytestmark = pytest.mark.slow


def said(stderr: str) -> list[str]:
    """The first words of each line of what was taken back or kept."""
    lines = [line for line in stderr.splitlines() if line.startswith(("taken back", "NOT taken back", "kept"))]
    return [" ".join(line.split()[:5]).partition(" demo-")[0] for line in lines]


def test_an_update_that_is_refused_is_not_taken_back(aws: Aws, deploy: Deploy) -> None:
    """There was none."""
    deploy()
    before = aws.made()
    aws.faults["UpdateEndpoint"] = (400, "ValidationException", "no")
    failed = deploy("--env", "A=1")
    assert failed.exit_code == 1
    assert said(failed.stderr) == ["taken back: EndpointConfig", "taken back: Model"]
    assert aws.made() == before


def test_an_update_whose_answer_never_came_is_taken_back(aws: Aws, deploy: Deploy) -> None:
    """AWS has heard it all the same."""
    deploy()
    before = aws.made()
    real, answers = aws._update, iter([True, False])

    def lost(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        answer = real(environ, start_response)
        if next(answers):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)  # else boto3 waits a minute for more
            raise ConnectionError("cut")
        return answer

    aws._update = lost  # type: ignore[method-assign]
    try:
        failed = deploy("--env", "A=1")
    finally:
        del aws._update
    assert failed.exit_code == 1
    assert said(failed.stderr)[0] == "taken back: what AWS may"
    assert aws.made() == before
    assert aws.endpoint("demo").endpoint_config_name == before["configs"][0]


def test_an_endpoint_that_is_refused_is_not_taken_back(aws: Aws, deploy: Deploy) -> None:
    """Nor files that were there."""
    aws.faults["CreateEndpoint"] = (400, "ResourceLimitExceeded", "none")
    first = deploy()
    assert said(first.stderr) == ["taken back: EndpointConfig", "taken back: Model", "taken back: the files of"]
    deploy("--keep")
    again = deploy()
    assert said(again.stderr) == []


def test_what_is_kept_is_said_as_it_is_known(aws: Aws, deploy: Deploy) -> None:
    aws.faults["CreateEndpoint"] = (500, "InternalFailure", "?")
    failed = deploy("--keep")
    assert said(failed.stderr) == [
        "kept: what AWS may have",
        "kept: EndpointConfig",
        "kept: Model",
        "kept: the files of this",
    ]
