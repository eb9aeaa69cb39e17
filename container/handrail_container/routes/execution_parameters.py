"""`GET /execution-parameters`: the defaults that SageMaker's batch transform requests before its first record."""

from __future__ import annotations

from starlette.responses import JSONResponse

from handrail_container.settings.fields import Settings

PATH = "/execution-parameters"
#: SageMaker's default size of a payload, and its limit on the sum of concurrent payloads.
_PAYLOAD_MB = 6
_TOGETHER_MB = 100


def parameters(settings: Settings) -> JSONResponse:
    """The defaults of a transform job. A handler is assumed to take one record a request."""
    payload = max(1, min(_PAYLOAD_MB, int(settings.max_body_mb)))  # 0 would mean no limit
    return JSONResponse(
        {
            "MaxConcurrentTransforms": min(settings.max_concurrency, _TOGETHER_MB // payload),
            "BatchStrategy": "SINGLE_RECORD",
            "MaxPayloadInMB": payload,
        }
    )
