"""Errors that end a deployment. Wrong settings raise SettingsError, as everywhere."""

from __future__ import annotations


class AwsError(Exception):
    """An error answered by AWS, or a failure to reach it; `code` is the error's name in the API."""

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.code = code
        self.message = message

    @property
    def is_denied(self) -> bool:
        """Whether these credentials lack the permission."""
        return "AccessDenied" in self.code or self.code in ("UnauthorizedOperation", "Forbidden")

    @property
    def is_missing(self) -> bool:
        """Whether the resource does not exist; SageMaker has no error code for that."""
        return self.code in ("404", "ObjectNotFoundException") or "could not find" in self.message.lower()


class DeployError(Exception):
    """The deployment failed; the message is for the operator."""
