"""The vLLM engine. Nothing else imports vLLM; importing this package does not."""

from __future__ import annotations

from handrail_container.engine.vllm.backend import VllmBackend

__all__ = ["VllmBackend"]
