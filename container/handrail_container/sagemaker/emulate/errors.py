"""Errors of the runtime API, in the form that AWS's clients turn into exceptions."""

from __future__ import annotations

import json
import uuid

from starlette.requests import Request
from starlette.responses import Response

#: Bytes after which SageMaker cuts the container's message.
MAX_ORIGINAL = 2048
_LOGS = "arn:aws:logs:local:000000000000:log-group:/aws/sagemaker/Endpoints/"
_UNKNOWN = "UnknownOperationException"
_EMULATED = "`handrail emulate` has InvokeEndpoint and InvokeEndpointWithResponseStream."
#: Operations of the platform that the emulator lacks, by a part of their paths.
_NAMES = {
    "/async-invocations": "InvokeEndpointAsync",
    "/invocations-bidirectional-stream": "InvokeEndpointWithBidirectionalStream",
    "/openai/v1/": "The OpenAI path",
}


class ApiError(Exception):
    """An error answer: `code` is the exception's name in the service model, `members` are its fields."""

    def __init__(self, status: int, code: str, message: str, **members: str | int) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.members = {"Message": message, **members}


def validation(message: str) -> ApiError:
    """The error for an invalid request."""
    return ApiError(400, "ValidationError", message)


def unavailable(reason: str) -> ApiError:
    """The error while no container passes its health check."""
    return ApiError(503, "ServiceUnavailable", f"The endpoint has no healthy container: {reason}")


def model_error(endpoint: str, status: int, body: bytes) -> ApiError:
    """The error for an answer of the container that is not 2xx, or for none (status 0)."""
    message = body[:MAX_ORIGINAL].decode(errors="ignore")
    side = "client" if 400 <= status < 500 else "server"
    arn = _LOGS + endpoint
    return ApiError(
        424,
        "ModelError",
        f'Received {side} error ({status}) from primary with message "{message}". See {arn} for more information.',
        OriginalStatusCode=status,
        OriginalMessage=message,
        LogStreamArn=arn,
    )


async def answer(request: Request, error: Exception) -> Response:
    """The response for an ApiError."""
    assert isinstance(error, ApiError)
    headers = {"x-amzn-ErrorType": error.code, "x-amzn-RequestId": str(uuid.uuid4())}
    return Response(json.dumps(error.members), error.status, headers, "application/json")


async def answer_unknown(request: Request, error: Exception) -> Response:
    """The response for an operation that the API or the emulator does not have."""
    return await answer(request, ApiError(404, _UNKNOWN, f"{_operation(request)} is not emulated. {_EMULATED}"))


def _operation(request: Request) -> str:
    """AWS's name of the operation if it is known, else the method and path."""
    path, target = request.url.path, request.headers.get("x-amz-target", "")
    if target.startswith("SageMaker."):  # the control-plane API names the operation in a header
        return target.removeprefix("SageMaker.")
    for part, name in _NAMES.items():
        if part in path:
            return f"{name} ({request.method} {path})"
    return f"{request.method} {path}"
