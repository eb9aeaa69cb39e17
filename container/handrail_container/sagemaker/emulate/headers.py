"""Filters headers: SageMaker drops every header that the API does not name, such as Authorization."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from handrail_container.sagemaker.emulate.errors import validation

logger = logging.getLogger("handrail.emulate")

_PREFIX = "x-amzn-sagemaker-"
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_ATTRIBUTES = re.compile(r"[\x20-\x7e]{0,1024}")
_SHORT = re.compile(r"[!-~][\x20-\x7e]{0,63}")
_LONG = re.compile(r"[!-~][\x20-\x7e]{0,1023}")
_SESSION = re.compile(r"(?=.{1,256}\Z)[a-zA-Z0-9](-*[a-zA-Z0-9])*")
#: For requests without a stream: a stream cannot open a session.
_SESSION_OR_NEW = re.compile(rf"NEW_SESSION|{_SESSION.pattern}")
_NEW_SESSION = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*;\sExpires=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_ANY = re.compile(r"[\x20-\x7e]{0,1024}")

#: Headers that a client may send to both operations, with their forms.
_IN = {
    "content-type": _ANY,
    _PREFIX + "custom-attributes": _ATTRIBUTES,
    _PREFIX + "inference-id": _SHORT,
    _PREFIX + "session-id": _SESSION,
    _PREFIX + "target-variant": _NAME,
    _PREFIX + "target-container-hostname": _NAME,
    _PREFIX + "inference-component": _NAME,
    _PREFIX + "prefix-aware-id": _SHORT,
    _PREFIX + "adapter-identifier": _LONG,
    _PREFIX + "adapter-alias": _LONG,
}
_IN_UNARY = {
    **_IN,
    "accept": _ANY,
    _PREFIX + "session-id": _SESSION_OR_NEW,
    _PREFIX + "target-model": _LONG,
    _PREFIX + "enable-explanations": _SHORT,
}
_IN_STREAM = {**_IN, _PREFIX + "accept": _ANY}
#: Headers that a container may answer with, with their forms.
_OUT = {
    _PREFIX + "custom-attributes": _ATTRIBUTES,
    _PREFIX + "new-session-id": _NEW_SESSION,
    _PREFIX + "closed-session-id": _SESSION,
}


def to_container(sent: Mapping[str, str], *, streaming: bool) -> dict[str, str]:
    """The headers passed to the container. Raises ApiError (ValidationError) for a value of the wrong form."""
    forms = _IN_STREAM if streaming else _IN_UNARY
    passed = {name: sent[name] for name in forms if name in sent}
    for name, value in passed.items():
        if not forms[name].fullmatch(value):
            raise validation(
                f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: "
                f"Member must satisfy regular expression pattern: {forms[name].pattern}"
            )
    accept = passed.pop(_PREFIX + "accept", None)
    return passed if accept is None else {**passed, "accept": accept}


def to_client(answered: Mapping[str, str], variant: str, *, streaming: bool) -> dict[str, str]:
    """The headers passed to the client; one of the wrong form is dropped with a warning in the log."""
    media_type = answered.get("content-type", "application/octet-stream")
    named = {_PREFIX + "content-type" if streaming else "content-type": media_type}
    named["x-amzn-invoked-production-variant"] = variant
    for name, form in _OUT.items():
        value = answered.get(name, "")
        if form.fullmatch(value) and value:
            named[name] = value
        elif value:
            logger.warning("the container's %s is %r: it must match %s, and was left out", name, value, form.pattern)
    return named
