"""What ends a deployment. What is wrong with its settings is a SettingsError, as everywhere."""

from __future__ import annotations


class AwsError(Exception):
    """What AWS answered, or why it could not be asked; `code` is the error's name in its API."""

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.code = code
        self.message = message

    @property
    def is_denied(self) -> bool:
        """Whether these credentials may not ask that."""
        return "AccessDenied" in self.code or self.code in ("UnauthorizedOperation", "Forbidden")

    @property
    def is_missing(self) -> bool:
        """Whether there is no such thing; SageMaker has no code of its own for it."""
        return self.code in ("404", "ObjectNotFoundException") or "could not find" in self.message.lower()


class DeployError(Exception):
    """The deployment failed; the message is for the operator."""
