import json

from djl_python.output_formatter import output_formatter


@output_formatter
def tell(output, **kwargs):
    if isinstance(output, str) and output.startswith("data: "):
        if output.strip() != "data: [DONE]":
            data = json.loads(output[6:])
            data["by"] = "me"
            return f"data: {json.dumps(data)}"
    return output
