"""The echo engine: it answers with its own input, one word per token, at a configurable pace.

For laptops, and for tests of the code around an engine. The client has the part of vLLM's API that handlers use.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from handrail_container.engine.texts import most_characters, require_short

DEFAULT_MAX_TOKENS = 16  # as vLLM's SamplingParams
#: The most tokens of an answer: each step of one repeats the steps before it.
MOST_TOKENS = 4096
#: Matches on stripped text only: trailing white space would be scanned again from each of its positions.
_WORD = re.compile(r"\s*\S+")


@dataclass
class CompletionOutput:
    """The fields of vLLM's class that handlers read: the text so far and its tokens."""

    text: str
    token_ids: list[int]
    finish_reason: str | None = None
    index: int = 0


@dataclass
class RequestOutput:
    request_id: str
    prompt: str
    prompt_token_ids: list[int]
    outputs: list[CompletionOutput]
    finished: bool = False


@dataclass(frozen=True)
class Pace:
    """Seconds to load, to the first token, and between tokens."""

    load_s: float = 0.0
    first_token_s: float = 0.0
    between_tokens_s: float = 0.0


@dataclass
class EchoClient:
    """The object at `request.app.state.engine_client` on the echo engine."""

    pace: Pace = field(default_factory=Pace)
    errored: bool = False
    running: set[str] = field(default_factory=set)
    most_text: int = most_characters(None, MOST_TOKENS)

    @property
    def is_running(self) -> bool:
        return not self.errored

    async def generate(
        self, prompt: Any, sampling_params: Any = None, request_id: str = "", **_: Any
    ) -> AsyncIterator[RequestOutput]:
        """Yield the output so far after every token, as vLLM does; `abort` and closing the generator end it early.
        Raises TooMuchAsked if the prompt is longer than `most_text`."""
        text = prompt_text(prompt)
        require_short(text, self.most_text)
        ids, words = token_ids(text), tokens(text)[: max_tokens(sampling_params)][:MOST_TOKENS]
        answer, answered = "", [token_id(word) for word in words]
        self.running.add(request_id)
        try:
            for count in range(1, len(words) + 1):
                await asyncio.sleep(self.pace.first_token_s if count == 1 else self.pace.between_tokens_s)
                reason = "stop" if count == len(words) else None if request_id in self.running else "abort"
                answer += words[count - 1]
                output = CompletionOutput(answer, answered[:count], reason)
                yield RequestOutput(request_id, text, ids, [output], reason is not None)
                if reason == "abort":
                    break
        finally:
            self.running.discard(request_id)

    async def abort(self, request_id: str) -> None:
        self.running.discard(request_id)

    async def check_health(self) -> None:
        """Always return: an echo does not die."""


def tokens(text: str) -> list[str]:
    """Split `text` into words, each with the white space before it; an empty text is one empty token."""
    return _WORD.findall(text.rstrip()) or [""]


def token_id(word: str) -> int:
    """The id of a word: the same number in every process."""
    return zlib.crc32(word.encode()) % 50_000


def token_ids(text: str) -> list[int]:
    return [token_id(word) for word in _WORD.findall(text.rstrip())]


def prompt_text(prompt: Any) -> str:
    """The text of a prompt in any form that vLLM's client accepts: a string, or a mapping with `prompt`."""
    if isinstance(prompt, Mapping):
        prompt = prompt.get("prompt") or " ".join(map(str, prompt.get("prompt_token_ids", ())))
    return str(prompt)


def max_tokens(sampling_params: Any) -> int | None:
    """`max_tokens` of a SamplingParams or a mapping, at least 1; None means no limit."""
    if isinstance(sampling_params, Mapping):
        value = sampling_params.get("max_tokens", DEFAULT_MAX_TOKENS)
    else:
        value = getattr(sampling_params, "max_tokens", DEFAULT_MAX_TOKENS)
    return None if value is None else max(1, int(value))
