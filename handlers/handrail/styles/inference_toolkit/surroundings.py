"""What the operator has set for a script of the toolkit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from handrail.styles.inference_toolkit.media import JSON

#: Variables of the toolkit that are not read, and what is set instead.
_UNREAD = {
    "SAGEMAKER_MODEL_SERVER_TIMEOUT": "set HANDRAIL_INVOCATION_TIMEOUT_S, in seconds",
    "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "set HANDRAIL_INVOCATION_TIMEOUT_S",
    "SAGEMAKER_STARTUP_TIMEOUT": "the platform bounds the start (ContainerStartupHealthCheckTimeoutInSeconds)",
    "SAGEMAKER_MODEL_SERVER_VMARGS": "there is no Java here",
    "SAGEMAKER_SAFE_PORT_RANGE": "one port is used, SAGEMAKER_BIND_TO_PORT",
    "SAGEMAKER_MULTI_MODEL": "one directory is served, SAGEMAKER_MODEL_PATH",
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": "set HANDRAIL_MAX_BODY_MB",
    "SAGEMAKER_HANDLER": "a handler service is not served; the script's functions are",
    "SAGEMAKER_BASE_DIR": "set SAGEMAKER_MODEL_PATH",
    "CA_REPOSITORY_ARN": "set PIP_INDEX_URL for the installation of requirements",
}


@dataclass(frozen=True)
class ToolkitSurroundings:
    """`program` and `submit_directory` say where the script is, `workers` bounds the requests at a time, `has_engine`
    is False if the server runs without one. `environment` are the process's variables."""

    program: str | None = None
    submit_directory: str | None = None
    workers: int | None = None
    default_accept: str = JSON
    has_engine: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)

    def unread(self) -> Iterator[str]:
        """A warning for each variable of the toolkit that is set and not read."""
        for name, instead in _UNREAD.items():
            value = self.environment.get(name)
            if value and not (name == "SAGEMAKER_MULTI_MODEL" and value == "false"):
                yield f"{name}={value} is not read: {instead}"
