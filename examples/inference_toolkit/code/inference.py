"""A script for SageMaker's inference toolkit over this engine: `inputs` and `parameters` in, `generated_text` out."""

import json
from typing import Any

PARAMETERS = {"max_new_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "stop": "stop"}


def input_fn(data: str, content_type: str) -> dict[str, Any]:
    if content_type != "application/json":
        raise ValueError(f"{content_type} is not JSON")
    body: dict[str, Any] = json.loads(data)
    return body


def predict_fn(data: dict[str, Any], model: Any, context: Any) -> str:
    """`model` is the engine: there is no `model_fn`."""
    wanted = data.get("parameters", {})
    known = {name: wanted[given] for given, name in PARAMETERS.items() if given in wanted}
    completion = model.chat(data["inputs"], **known)
    context.set_response_header(0, "X-Tokens", str(completion.usage.completion_tokens))
    return str(completion.choices[0].message.content)


def output_fn(prediction: str, accept: str) -> tuple[str, str]:
    if accept == "text/plain":
        return prediction, accept
    return json.dumps({"generated_text": prediction}), "application/json"
