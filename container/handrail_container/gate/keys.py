"""The operator's API keys: checks of requests, and the routes that need none."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping

from handrail_container.http.envelope import Failure
from handrail_container.settings import environment
from handrail_container.settings.fields import Settings

#: A platform's health checks, which reveal nothing of the model.
_PUBLIC = frozenset({"/ping", "/health", "/"})
_SCHEME = b"bearer"

_REFUSAL = Failure(
    401,
    "this server asks for a key: send 'Authorization: Bearer KEY' (`handrail invoke` sends HANDRAIL_API_KEY)",
    headers={"WWW-Authenticate": "Bearer"},
)


class Keys:
    """The operator's keys; false if there are none, and no request needs one.

    `own` is a random key of this process, for the processes that it starts itself, such as a definition's workers. It
    is given to no other process.
    """

    def __init__(self, keys: tuple[str, ...] = (), *, protects_metrics: bool = False) -> None:
        self.own = secrets.token_urlsafe(32)
        self._own = self.own.encode()
        self._keys = tuple(key.encode() for key in keys)
        self._public = _PUBLIC if protects_metrics else _PUBLIC | {"/metrics"}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def is_own(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether the request is from a process of this server."""
        return hmac.compare_digest(_given(headers), self._own)

    def refusal(self, path: str | None, headers: Mapping[bytes, bytes]) -> Failure | None:
        """The error for a request without a valid key; None if it has one or needs none. It needs one at None."""
        return None if not self._keys or path in self._public or not self.is_stranger(headers) else _REFUSAL

    def is_stranger(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether there are keys, and the request has no valid one."""
        if not self._keys:
            return False
        given = _given(headers)
        # Every key is compared, each in constant time: the duration reveals nothing.
        fits = [hmac.compare_digest(given, key) for key in (*self._keys, self._own)]
        return not any(fits)


def _given(headers: Mapping[bytes, bytes]) -> bytes:
    """The key that a request carries; if there is none, the empty string, which is never valid."""
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    return given.strip() if scheme.lower() == _SCHEME else b""


def key_warnings(settings: Settings) -> list[str]:
    """Warnings for an operator who sets a key: what the key does not protect, and where it differs from vLLM's own
    server."""
    if settings.vllm_api_key and settings.engine == "none":
        said = [
            "VLLM_API_KEY guards nothing with the engine `none`, where it is taken for the key of a server that the "
            "script asks: set HANDRAIL_API_KEY to ask clients for a key"
        ]
    elif settings.vllm_api_key:
        also = ", and so are those of HANDRAIL_API_KEY" if settings.api_key else ""
        said = [
            f"VLLM_API_KEY is valid here{also}. Every route asks for a key, but for /ping, /health and /: vLLM's own "
            "server would ask on /v1 only"
        ]
    else:
        said = []
    if not settings.api_keys or not _may_be_on_sagemaker(settings):
        return said
    name = "HANDRAIL_API_KEY" if settings.api_key else "VLLM_API_KEY"
    return [
        *said,
        f"{name} is set, and SageMaker removes the Authorization header of its clients: there every request "
        "to /invocations would be 401. Unset it on SageMaker, where IAM decides who may ask.",
    ]


def _may_be_on_sagemaker(settings: Settings) -> bool:
    """SageMaker mounts the model at the default path, and sets variables of its own."""
    default = type(settings).model_fields["model_path"].default
    return settings.model_path == default or environment.has_sagemaker_variables()
