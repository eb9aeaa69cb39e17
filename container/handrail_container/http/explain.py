"""Turns exceptions into the client's errors, which tell whose fault it is: the body's, the handler's, or ours."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from fastapi.exceptions import RequestValidationError
from handrail.core.calling import Handler
from handrail.core.presence import ClientLeft
from handrail.core.redaction import Redactor
from handrail.core.shortened import shortened
from handrail.core.tracebacks import explain
from handrail.core.whole_model import WholeModel
from handrail.wrap.around import Wrapper
from handrail.wrap.downstream import StreamCut
from handrail.wrap.middleware import WrapperRaised
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from handrail_container.http.alone import ours_alone
from handrail_container.http.answer import AnswerCut
from handrail_container.http.envelope import LEFT, MAX_BYTES, Explain, Failure, to_json
from handrail_container.http.own_calls import own_call
from handrail_container.settings.fields import Settings

logger = logging.getLogger("handrail")

#: Statuses of a model before its script runs, which the client or the load has caused: they are not logged.
_REFUSALS = (400, 429, 503)
#: JSON can hold a lone surrogate, and UTF-8 cannot; it shows when a handler answers with the client's own text.
HALF_A_CHARACTER = Failure(400, "the body has half a character: a lone surrogate, as \\ud800 is")
BUG = Failure(500, "an internal error of Handrail; the log has it under the request id")

_NO_MEMORY = Failure(503, "the server has no memory left to read this body")


def explain_ours(error: BaseException, request_id: str) -> Failure:
    """The failure for an exception of our own endpoints: an answer on purpose, or a bug."""
    known = _expected(error)
    if known is not None:
        return known
    logger.error("a bug in Handrail, request_id=%s", request_id, exc_info=error)
    return BUG


def explain_handler(handler: Handler, settings: Settings) -> Explain:
    """Explains the exceptions of `handler`."""

    def explained(error: BaseException, request_id: str) -> Failure:
        failure = _expected(error)
        if failure is None:
            name, function = handler.raised(error)
            failure = _raised(error, function, name, settings, request_id)
        if isinstance(error, HTTPException) and (said := own_call(error, handler, settings.model_path)):
            logger.warning("%s, request_id=%s", settings.redactor(said), request_id)
        return redacted(failure, settings.redactor)

    return explained


def explain_model(model: WholeModel, handler: Handler, settings: Settings) -> Explain:
    """Explains the exceptions of a whole model's `handler`: as the model does, else as any handler's."""
    otherwise = explain_ours if model.is_elsewhere else explain_handler(handler, settings)

    def explained(error: BaseException, request_id: str) -> Failure:
        problem = model.explain(error)
        if problem is None:
            return otherwise(error, request_id)
        message = settings.redactor(shortened(problem.message))
        if problem.log or problem.status not in _REFUSALS:
            log = f"\n{problem.log}" if problem.log else ""
            logger.error("%s, request_id=%s%s", message, request_id, log)
        if settings.error_detail == "none" and problem.kind is not None:
            message = f"{handler.signature.name} failed; the log has it under the request id"
        return Failure(problem.status, message, problem.kind, headers=problem.headers, more=problem.more)

    return explained


def explain_wrapper(wrapper: Wrapper, settings: Settings) -> Explain:
    """Explains the exceptions of the user's code around a handler; errors inside of it are answered there."""

    def explained(error: BaseException, request_id: str) -> Failure:
        if isinstance(error, StreamCut):  # the layer inside has logged it
            return error.failure if isinstance(error, AnswerCut) else Failure(500, str(error))
        function, cause = wrapper.candidate.function, error
        if isinstance(error, WrapperRaised):
            cause = ours_alone(error.__cause__ or error)
        name = getattr(function, "__name__", repr(function))
        failure = _expected(cause) or _raised(cause, function, name, settings, request_id)
        return redacted(failure, settings.redactor)

    return explained


def _raised(error: BaseException, function: Any, name: str, settings: Settings, request_id: str) -> Failure:
    """Log the whole traceback; the failure says what HANDRAIL_ERROR_DETAIL allows."""
    raised = explain(error, function, settings.model_path)
    head = f"{name} raised {raised.type} at {raised.where}, request_id={request_id}"
    logger.error("%s\n%s", head, raised.traceback, extra={"traceback": raised.traceback})
    if settings.error_detail == "none":
        return Failure(500, "the handler failed; the log has it under the request id", "handler_error")
    return Failure(500, f"{name} raised {raised.type}: {raised.message} ({raised.where})", "handler_error")


def redacted(failure: Failure, redactor: Redactor) -> Failure:
    """`failure` without secrets, which a text of the user's code may hold."""
    headers = redactor.within(failure.headers) if failure.headers else failure.headers
    return failure._replace(message=redactor(failure.message), detail=redactor.within(failure.detail), headers=headers)


def _expected(error: BaseException) -> Failure | None:
    """The answer to an exception that is no fault of the code that raised it; else None."""
    if isinstance(error, AnswerCut):
        return error.failure
    if isinstance(error, HTTPException):
        if error.status_code == 400 and isinstance(error.__cause__, MemoryError):
            return _NO_MEMORY  # FastAPI takes any exception while it parses for bad JSON
        text = _text(error.detail)
        detail = None if isinstance(error.detail, str) or len(text) > MAX_BYTES else error.detail
        return Failure(error.status_code, shortened(text), detail=detail, headers=error.headers)
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, ValueError | RecursionError) and _was_reading_the_body(error):
        return Failure(400, f"the body is not JSON: {shortened(str(error))}")
    if isinstance(error, UnicodeEncodeError) and _is_of_json(error):
        return HALF_A_CHARACTER
    if isinstance(error, ClientDisconnect | ClientLeft):
        return LEFT
    return None


def _is_of_json(error: UnicodeEncodeError) -> bool:
    """Whether the cause is a lone surrogate of JSON, and not one of a file name that is not UTF-8."""
    return error.reason == "surrogates not allowed" and not 0xDC80 <= ord(error.object[error.start]) <= 0xDCFF


def _text(detail: Any) -> str:
    return detail if isinstance(detail, str) else to_json(detail)


def _invalid(error: RequestValidationError) -> Failure:
    message = "; ".join(_problem(details) for details in error.errors())
    if any(details["type"] == "json_invalid" for details in error.errors()):
        return Failure(400, message)
    if isinstance(error.body, bytes) and any(details["loc"][:1] == ("body",) for details in error.errors()):
        message += ". The body was not read as JSON: send 'Content-Type: application/json'"
    return Failure(422, message, "validation_error")


def _problem(details: dict[str, Any]) -> str:
    """`body.prompt: Field required`, or what is wrong with the JSON."""
    if details["type"] == "json_invalid":
        return f"the body is not JSON: {details.get('ctx', {}).get('error', details['msg'])}"
    return f"{'.'.join(map(str, details['loc']))}: {details['msg']}"


def _was_reading_the_body(error: BaseException) -> bool:
    """Whether `await request.json()` raised it (bad JSON, bad UTF-8, nested too deep), and not the handler's own
    reading of something else."""
    codes = {frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)}
    return Request.json.__code__ in codes
