"""Which routes of the engine and of the server an application's routes hide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from starlette.types import Scope

from handrail.core.whole_model import Claim
from handrail.styles.app.routes import ListedRoute, asked

#: vLLM's routes that clients know, whichever the model serves.
ENGINES = (
    ("GET", "/health"),
    ("GET", "/v1/models"),
    ("GET", "/version"),
    *(
        ("POST", path)
        for path in (
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/responses",
            "/v1/messages",
            "/v1/embeddings",
            "/v1/audio/transcriptions",
            "/v1/audio/translations",
            "/tokenize",
            "/detokenize",
            "/pooling",
            "/classify",
            "/score",
            "/v1/score",
            "/rerank",
            "/v1/rerank",
            "/v2/rerank",
        )
    ),
)
_OURS = (("GET", "/adapters"), ("GET", "/execution-parameters"))
_METRICS = "/metrics"


def hidden_routes(claim: Callable[[Scope], Claim], name: str, rows: Iterable[ListedRoute]) -> Iterator[str]:
    """A warning for each route that is hidden; `rows` are the application's, and `claim` what they take."""
    for whose, known in (("vLLM's", ENGINES), ("Handrail's", _OURS)):
        for method, path in known:
            if claim(asked(path, method)) is Claim.REQUEST:
                own = (f"{row.name} ({row.where})" for row in rows if row.path == path)
                yield f"{method} {path}: {next(own, f'a route of {name}')} hides {whose}"
    if claim(asked(_METRICS)) is Claim.REQUEST:
        yield (
            f"GET {_METRICS}: Handrail's answers, and hides that of {name}: it has all metrics of prometheus_client's "
            "default registry"
        )
