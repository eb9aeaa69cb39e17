"""A handler for Hugging Face's Inference Endpoints over this engine: `inputs` in, `generated_text` out."""

from typing import Any

PARAMETERS = {"max_new_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "stop": "stop"}


class EndpointHandler:
    def __init__(self, path: str = "", engine: Any = None) -> None:
        """`engine` is this server's engine; without the parameter, a handler loads a model of its own from `path`."""
        self.engine = engine

    def __call__(self, data: dict[str, Any]) -> list[dict[str, str]]:
        wanted = data.get("parameters", {})
        known = {name: wanted[given] for given, name in PARAMETERS.items() if given in wanted}
        completion = self.engine.chat(data["inputs"], **known)
        return [{"generated_text": str(completion.choices[0].message.content)}]
