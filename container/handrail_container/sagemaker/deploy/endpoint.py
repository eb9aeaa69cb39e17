"""The endpoint on AWS: its state, waiting for it, and the last lines of its containers' logs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from handrail_container.sagemaker.deploy.aws import Aws
from handrail_container.sagemaker.deploy.errors import AwsError, DeployError

_LINES = 20
_SHORTEST_S, _LONGEST_S = 0.2, 15.0
_WORKING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")


@dataclass(frozen=True)
class EndpointStatus:
    status: str
    config: str
    reason: str

    @property
    def is_working(self) -> bool:
        return self.status in _WORKING


class SageMakerEndpoint:
    """One endpoint. `say` is called with each change of status while waiting."""

    def __init__(self, aws: Aws, name: str, say: Callable[[str], None]) -> None:
        self._aws = aws
        self._name = name
        self._say = say
        self._began_ms = int(time.time() * 1000)

    def state(self) -> EndpointStatus | None:
        """The endpoint's status, None if it does not exist. Raises AwsError."""
        try:
            seen = self._aws.call("sagemaker", "DescribeEndpoint", EndpointName=self._name)
        except AwsError as error:
            if error.is_missing:
                return None
            raise
        return EndpointStatus(seen["EndpointStatus"], seen["EndpointConfigName"], seen.get("FailureReason", ""))

    def settle(self, patience_s: float) -> EndpointStatus | None:
        """Wait until no change is in progress; returns the state. Raises DeployError after `patience_s` seconds."""
        began, pause_s, status = time.monotonic(), _SHORTEST_S, ""
        while (state := self.state()) is not None and state.is_working:
            waited = time.monotonic() - began
            if state.status != status:
                self._say(f"{self._name} is {state.status} ({waited:.0f} s)")
                status = state.status
            if waited > patience_s:
                raise DeployError(f"{self._name} is still {state.status} after {waited:.0f} s")
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_S)
        return state

    def serve(self, config: str, patience_s: float) -> None:
        """Wait until it serves this configuration. Raises DeployError with AWS's reason and the containers' log."""
        state = self.settle(patience_s)
        if state is None:
            raise DeployError(f"{self._name} was deleted while it was waited for")
        if state.status != "InService" or state.config != config:
            rolled_back = ", and serves what it served before" if state.status == "InService" else ""
            raise DeployError(
                f"{self._name} is {state.status}{rolled_back}: {state.reason or 'AWS gives no reason'}{self._words()}"
            )

    def delete(self, patience_s: float) -> bool:
        """Delete the endpoint and wait until it is gone. Returns whether it existed."""
        if self.settle(patience_s) is None:
            return False
        self._aws.call("sagemaker", "DeleteEndpoint", EndpointName=self._name)
        self.settle(patience_s)
        return True

    def revert(self, config: str, patience_s: float) -> bool:
        """Update the endpoint back to this configuration if it serves another. Returns whether an update was needed."""
        state = self.settle(patience_s)
        if state is None or state.config == config:
            return False
        self._aws.call("sagemaker", "UpdateEndpoint", EndpointName=self._name, EndpointConfigName=config)
        self.settle(patience_s)
        return True

    def _words(self) -> str:
        """The last lines of the containers' logs since this deployment began."""
        group = f"/aws/sagemaker/Endpoints/{self._name}"
        try:
            lines = self._last_lines(group)
        except AwsError as error:
            return f"\nIts log {group} cannot be read: {error}"
        return "\n".join([f"\nThe last lines of {group}:", *lines]) if lines else f"\nIts log {group} is empty."

    def _last_lines(self, group: str) -> list[str]:
        newest = self._aws.call(
            "logs", "DescribeLogStreams", logGroupName=group, orderBy="LastEventTime", descending=True, limit=1
        )["logStreams"]
        lines: list[str] = []
        for stream in newest:
            events = self._aws.call(
                "logs",
                "GetLogEvents",
                logGroupName=group,
                logStreamName=stream["logStreamName"],
                startTime=self._began_ms,
                limit=_LINES,
                startFromHead=False,
            )["events"]
            lines += [f"  {event['message'].rstrip()}" for event in events]
        return lines
