"""The settings that bound what clients and handlers may take: size, number and time."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import field_validator

from handrail_container.settings.adapters import AdapterSettings
from handrail_container.settings.field import variable

#: In place of an origin: pages of any origin.
ANY = "*"


class LimitSettings(AdapterSettings):
    """One limit per field; the description names its unit and the result of exceeding it."""

    max_body_mb: float = variable(
        "HANDRAIL_MAX_BODY_MB",
        25,
        "The largest body, in MB of 1,048,576 bytes, and the largest message of a WebSocket; then 413, or 1009.",
        gt=0,
    )
    max_json_values: int = variable(
        "HANDRAIL_MAX_JSON_VALUES",
        1_000_000,
        "The most items, keys, objects and arrays in a JSON body or message together; one with more is 413.",
        ge=10_000,
    )
    max_json_objects: int = variable(
        "HANDRAIL_MAX_JSON_OBJECTS",
        20_000,
        "The most objects and arrays in what the engine is asked: messages, their parts, tools; more is 413. A body "
        "for a handler of yours may have five times as many.",
        ge=5_000,
    )
    max_json_depth: int = variable(
        "HANDRAIL_MAX_JSON_DEPTH",
        200,
        "How deep the brackets of a JSON body may be in each other; deeper is 400.",
        ge=8,
    )
    max_grammar_size: int = variable(
        "HANDRAIL_MAX_GRAMMAR_SIZE",
        50_000,
        "The most characters of a schema, a choice or a regular expression that vLLM is to follow, and the most "
        "repetitions that a schema asks for (`minItems`, `maxLength`, …); more is 400.",
        ge=1,
    )
    max_text_chars: int | None = variable(
        "HANDRAIL_MAX_TEXT_CHARS",
        None,
        "The most characters of a text that the engine is to tokenize; more is 400. Where it is not set: 16 for each "
        "token of the model's context, and 1,000,000 at least.",
        ge=1,
    )
    max_n: int = variable(
        "HANDRAIL_MAX_N",
        1024,
        "The most answers that one request may ask vLLM for, `n` for each of its prompts; more is 400.",
        ge=1,
    )
    max_repeated_chars: int = variable(
        "HANDRAIL_MAX_REPEATED_CHARS",
        2_500_000,
        "The most characters of what one request says beside its prompts, conversations or inputs, times their number "
        "and `n`; each counts for 1,000 at least, one with a beam for 8,000, what has to be compiled 8 times, and a "
        "text that all share, such as a query, an eighth; more is 400.",
        ge=10_000,
    )
    max_logprobs: int = variable(
        "HANDRAIL_MAX_LOGPROBS",
        90_000,
        "The most log probabilities in the answer to one request: tokens of the answer, times `top_logprobs` and one, "
        "times `n`, times its prompts; and those of a prompt. More is 400. An answer whose request sets no length "
        "counts as 4,096 tokens. A stream may have twice as many.",
        ge=1_000,
    )
    max_bodies_mb: float = variable(
        "HANDRAIL_MAX_BODIES_MB",
        1024,
        "MB of request bodies over 4 KiB that are held at once, by all requests in flight; beyond it a body that "
        "comes is 503. Never less than one body.",
        gt=0,
    )
    max_unread_mb: float = variable(
        "HANDRAIL_MAX_UNREAD_MB",
        1024,
        "MB of answers that wait for their clients to read them, over all connections; beyond it those that wait for "
        "most are cut.",
        gt=0,
    )
    max_concurrency: int = variable(
        "HANDRAIL_MAX_CONCURRENCY",
        1024,
        "Requests to `/invocations` that run at once; those to `/v1/…` are counted apart.",
        ge=1,
    )
    max_queue: int = variable(
        "HANDRAIL_MAX_QUEUE", 1024, "Requests of either kind that wait for their turn; one more is 503.", ge=0
    )
    invocation_timeout_s: float = variable(
        "HANDRAIL_INVOCATION_TIMEOUT_S",
        60,
        "Seconds to the whole answer, or to the first piece of a stream, waiting included; then it is 504.",
        gt=0,
    )
    stream_timeout_s: float = variable(
        "HANDRAIL_STREAM_TIMEOUT_S", 480, "Seconds to the end of a stream, from the request on.", gt=0
    )
    sse_keep_alive_s: float | None = variable(
        "HANDRAIL_SSE_KEEP_ALIVE_S",
        None,
        "Seconds of silence in a stream of server-sent events after which it gets a comment; SageMaker ends a stream "
        "that is silent for 60 s. After the first comment the time of a stream holds. Unset: no comments.",
        gt=0,
    )
    cancel_on_disconnect: bool | None = variable(
        "HANDRAIL_CANCEL_ON_DISCONNECT",
        None,
        "Whether a handler is cancelled when its client leaves. Where it is not set, every handler is, but for a Truss "
        "Model's, which asks `request.is_disconnected()`. Its calls of the engine are in any case.",
    )
    max_websockets: int = variable(
        "HANDRAIL_MAX_WEBSOCKETS", 1024, "WebSockets that are open at once; one more is 503.", ge=0
    )
    allowed_origins: str | None = variable(
        "HANDRAIL_ALLOWED_ORIGINS",
        None,
        "The origins of pages, separated by commas, that may open WebSockets and change adapters beside our own; `*` "
        "for any.",
    )
    max_sessions: int = variable(
        "HANDRAIL_MAX_SESSIONS", 10_000, "Sessions that are open at once; one more is 503.", ge=1
    )
    stall_s: float = variable(
        "HANDRAIL_STALL_S",
        120,
        "Seconds without any progress, while requests run, after which the engine counts as hung; or of a blocked "
        "event loop, after which `/ping` is 503.",
        gt=0,
    )
    drain_s: float = variable(
        "HANDRAIL_DRAIN_S", 25, "Seconds that requests in flight have to finish after SIGTERM.", ge=0
    )
    log_buffer_mb: float = variable(
        "HANDRAIL_LOG_BUFFER_MB",
        4,
        "MB of standard output, and of standard error, that wait where whoever reads it is slow; lines beyond it are "
        "dropped and counted.",
        gt=0,
    )

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, value: str | None) -> str | None:
        for origin in _listed(value):
            if not is_origin(origin):
                raise ValueError(
                    f"HANDRAIL_ALLOWED_ORIGINS has {origin!r}, which is no origin: write each as a browser does, "
                    "scheme://host or scheme://host:port without a path, as https://example.com"
                )
        return value

    @property
    def origins(self) -> tuple[str, ...]:
        """The pages that may open WebSockets, beside the server's own."""
        return tuple(_listed(self.allowed_origins))


def _listed(value: str | None) -> list[str]:
    return [one.strip() for one in value.split(",")] if value else []


def is_origin(text: str) -> bool:
    """Whether `text` is an origin as a browser writes it: `https://example.com`, with a non-default port; or `null`."""
    try:
        parts = urlsplit(text)
        is_whole = bool(parts.scheme and parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
    return text in (ANY, "null") or (is_whole and text == f"{parts.scheme}://{parts.netloc}" and "@" not in text)
