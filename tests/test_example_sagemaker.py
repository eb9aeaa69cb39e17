"""examples/sagemaker against moto's server and `handrail emulate`: only where boto3 looks for AWS is ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.aws import ROLE, Aws
from tests.emulated import Emulated
from tests.servers import PATIENCE_S, environment

EXAMPLE = Path(__file__).parents[1] / "examples" / "sagemaker"


def test_it_is_made_asked_and_deleted(tmp_path: Path) -> None:
    """The echo engine says the question back, whole and streamed; nothing is left but the file."""
    emulated = Emulated(tmp_path / "log", EXAMPLE, "--engine", "echo", "--name", "my-vllm-model")
    try:
        with Aws().running() as aws:
            runtime = {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": emulated.ready().url}
            words = ["--bucket", "files", "--role", ROLE, "--image", "image:1", "--instance-type", "ml.m5.xlarge"]
            ended = subprocess.run(
                [sys.executable, EXAMPLE / "endpoint.py", *words],
                env=environment({**aws.environment(), **runtime}),
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            assert ended.returncode == 0, ended.stderr
            whole, _, streamed = ended.stdout.partition("\n")
            assert whole == "What does /ping do?"
            assert '"content":"What"' in streamed.replace(": ", ":")
            assert "data: [DONE]" in streamed
            assert "CreateEndpoint" in aws.calls
            assert aws.made() == {"models": [], "configs": [], "endpoints": []}
            assert aws.stored() == ["my-vllm-model/model.py"]
    finally:
        assert emulated.stop() == 0
