"""The access log: a line for each finished request for which the setting asks for one."""

from __future__ import annotations

import logging
from typing import Any

from handrail_container.engine.token_usage import tokens_used
from handrail_container.gate.exchange import Exchange
from handrail_container.http.envelope import LEFT

logger = logging.getLogger("handrail.access")

_SLOW_S = 1.0
#: Most characters of a path.
_LONGEST = 256


class AccessLog:
    """`setting` is HANDRAIL_ACCESS_LOG."""

    def __init__(self, setting: str, slow_s: float = _SLOW_S) -> None:
        self._setting = setting
        self._slow_s = slow_s

    def note(self, exchange: Exchange) -> None:
        """Log a request that was slow or not 2xx, or any if the setting is `all`; a good `/ping` is never logged."""
        if self._is_dull(exchange) or self._setting == "off" or not logger.isEnabledFor(logging.INFO):
            return
        fields = _fields(exchange, exchange.took_s)
        logger.info("%s", _line(exchange, fields), extra=fields)

    def _is_dull(self, exchange: Exchange) -> bool:
        if exchange.has_failed or not 200 <= exchange.status < 300:
            return False
        return (exchange.took_s < self._slow_s and self._setting != "all") or exchange.scope["path"] == "/ping"


def _fields(exchange: Exchange, seconds: float) -> dict[str, Any]:
    scope = exchange.scope
    fields: dict[str, Any] = {
        "request_id": exchange.request_id,
        "method": scope["method"],
        "route": loggable(exchange.route),
        "status": exchange.status,
        "duration_ms": round(seconds * 1000, 1),
        "bytes_out": exchange.bytes_out,
    }
    if exchange.handler:
        fields["handler"] = exchange.handler
    if tokens := tokens_used(scope["state"]):
        fields["tokens_in"], fields["tokens_out"] = tokens
    if verdict := _verdict(exchange):
        fields["verdict"] = verdict
    return fields


def _verdict(exchange: Exchange) -> str:
    """The reason why the answer ended early; empty if it did not."""
    if exchange.status == LEFT.status:
        return "client_left"
    return (exchange.verdict.kind or "") if exchange.verdict is not None else ""


def _line(exchange: Exchange, fields: dict[str, Any]) -> str:
    words = [
        fields["method"],
        loggable(exchange.scope["path"]),
        str(exchange.status),
        f"{fields['duration_ms']:.0f} ms",
    ]
    if exchange.handler:
        words.append(f"handler={exchange.handler}")
    if "tokens_in" in fields:
        words.append(f"tokens={fields['tokens_in']}+{fields['tokens_out']}")
    words.append(f"bytes={exchange.bytes_out}")
    if "verdict" in fields:
        words.append(f"verdict={fields['verdict']}")
    return " ".join([*words, f"request_id={exchange.request_id}"])


def loggable(path: str) -> str:
    """`path` on one line, and shortened: `%0A` in a path is a line break."""
    shown = path if path.isprintable() else ascii(path)[1:-1]
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
