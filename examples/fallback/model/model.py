"""Generate only where a rule lets it, rewrite what was generated, and have an answer where a service is down."""

import logging
import re
from typing import Any

import httpx
from fastapi import HTTPException, Request

logger = logging.getLogger(__name__)


class Model:
    def __init__(self, config: dict[str, Any], secrets: Any, trt_llm: dict[str, Any]) -> None:
        self._engine = trt_llm["engine"]
        self._review_url = secrets.get("review_url")
        answers = config["model_metadata"]["answers"]
        self._instead = [(re.compile(rule["when"], re.IGNORECASE), rule["answer"]) for rule in answers["instead"]]
        self._rewrites = [(re.compile(rule["find"]), rule["write"]) for rule in answers["rewrites"]]
        self._unreviewed = answers["unreviewed"]
        self._timeout_s = answers["review_timeout_s"]

    async def load(self) -> None:
        # A service of the house: no proxy stands between.
        self._http = httpx.AsyncClient(timeout=self._timeout_s, trust_env=False)

    async def predict(self, model_input: Any, request: Request) -> Any:
        question = _question(model_input)
        for pattern, answer in self._instead:
            if pattern.search(question):
                return _answer(answer, "rule")
        refusal = await self._review(question)
        if refusal is not None:
            return refusal
        completion = await self._engine.chat_completions(request=request, model_input=model_input)
        for choice in completion.choices:
            choice.message.content = self._rewritten(choice.message.content or "")
        return {**completion.model_dump(), "source": "engine"}

    async def chat_completions(self, model_input: Any, request: Request) -> Any:
        return await self.predict(model_input, request)

    async def _review(self, question: str) -> dict[str, Any] | None:
        """The answer where the service does not allow the question, or does not say; None where it does."""
        if self._review_url is None:
            return None
        try:
            response = await self._http.post(self._review_url, json={"question": question})
            said = response.raise_for_status().json()
            return None if said["allowed"] else _answer(said["reason"], "review")
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:  # down, slow, or not what we know
            logger.warning("no review from %s: %s: %s", self._review_url, type(error).__name__, error)
            return _answer(self._unreviewed, "fallback")

    def _rewritten(self, text: str) -> str:
        for pattern, replacement in self._rewrites:
            text = pattern.sub(replacement, text)
        return text


def _question(body: Any) -> str:
    """The last message. Raises HTTPException where there is none that rules can read."""
    messages = body.get("messages") if isinstance(body, dict) else None
    last = messages[-1] if isinstance(messages, list) and messages else None
    question = last.get("content") if isinstance(last, dict) else None
    if not isinstance(question, str):
        raise HTTPException(400, 'send {"messages": [...]}; the content of the last message is a text')
    if body.get("stream"):
        raise HTTPException(400, "stream is not supported: an answer is rewritten as a whole")
    return question


def _answer(text: str, source: str) -> dict[str, Any]:
    """What was not generated, in the shape of what is."""
    message = {"role": "assistant", "content": text}
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        "source": source,
    }
