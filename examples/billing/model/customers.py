"""Who may ask, and how often: customers by the hash of their key, so that the file holds no keys."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request

#: SageMaker passes this header on, and no other of the client's.
_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@dataclass(frozen=True)
class Customer:
    name: str
    tier: str
    requests_per_minute: int
    disabled: str | None = None


class Customers:
    """Read once, when the Model is made: a customer of a tier that does not exist stops the start."""

    def __init__(self, file: Path, tiers: Mapping[str, Any]) -> None:
        self._by_hash = {
            digest: Customer(
                entry["name"], entry["tier"], tiers[entry["tier"]]["requests_per_minute"], entry.get("disabled")
            )
            for digest, entry in json.loads(file.read_text()).items()
        }

    def of(self, request: Request) -> Customer | None:
        """None where the request has no key, or one that nobody has."""
        return self._by_hash.get(hashlib.sha256(_key(request).encode()).hexdigest())


def _key(request: Request) -> str:
    """`X-API-Key: KEY`, or `api-key=KEY` among the custom attributes, which a comma separates."""
    if given := request.headers.get("X-API-Key"):
        return given
    attributes = request.headers.get(_ATTRIBUTES, "").split(",")
    pairs = dict(attribute.strip().partition("=")[::2] for attribute in attributes)
    return pairs.get("api-key", "")
