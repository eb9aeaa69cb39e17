"""`GET /execution-parameters`: what SageMaker's batch transform asks a container before it sends anything."""

from __future__ import annotations

from starlette.responses import JSONResponse

from handrail_container.settings.fields import Settings

PATH = "/execution-parameters"
#: SageMaker's own default for a payload, and the most that all payloads sent at once may be together.
_PAYLOAD_MB = 6
_TOGETHER_MB = 100


def parameters(settings: Settings) -> JSONResponse:
    """What a job is run with that names nothing else. A handler takes one record a request, so far as anybody knows."""
    payload = max(1, min(_PAYLOAD_MB, int(settings.max_body_mb)))  # 0 would mean: as large as you like
    return JSONResponse(
        {
            "MaxConcurrentTransforms": min(settings.max_concurrency, _TOGETHER_MB // payload),
            "BatchStrategy": "SINGLE_RECORD",
            "MaxPayloadInMB": payload,
        }
    )
