import json

from djl_python.output_formatter import output_formatter


@output_formatter
def tell(chunk):
    if chunk.strip() == "data: [DONE]":
        return {"end": True}
    choice = json.loads(chunk[len("data: ") :])["choices"][0]
    return {"text": choice["delta"].get("content", "") if "delta" in choice else choice["text"]}
