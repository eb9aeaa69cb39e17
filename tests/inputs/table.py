"""What a row is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: In place of a value in `engine`: the field is not there.
ABSENT: Any = object()
#: In place of an answer's JSON: any.
ANY: Any = object()


@dataclass(frozen=True)
class Row:
    """`sent` is the body; `tgi`, `lmi` and `ours` are what the table says. The rest is held by the test: `engine` are
    fields of the request that the engine gets, `says` is in the message of an error, `events` are those of a stream.

    `like`: whose behaviour ours is. Where it is not both's, `why` has the reason.
    """

    name: str
    sent: Any
    tgi: str
    lmi: str
    ours: str
    like: Literal["both", "TGI", "LMI", "neither"] = "both"
    why: str = ""
    dialect: Literal["lmi", "tgi"] = "lmi"
    path: str = "/invocations"
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    json: Any = ANY
    says: str = ""
    engine: Mapping[str, Any] = field(default_factory=dict)
    media_type: str = "application/json"
    events: tuple[Mapping[str, Any], ...] = ()


def text(given: str, **parameters: Any) -> dict[str, Any]:
    return {"inputs": given, **({"parameters": parameters} if parameters else {})}


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def token(given: str, token_id: int) -> dict[str, Any]:
    return {"id": token_id, "text": given, "logprob": 0.0, "special": False}


#: The echo engine's ids.
ONE, TWO, THREE = 32785, 10630, 33805
