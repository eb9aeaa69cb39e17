import djl_python  # noqa: F401

ANSWERS = {"dict": {"a": 1}, "list": [1], "text": "plain", "bytes": b"\0"}


async def handle(inputs):
    return ANSWERS[inputs.get_as_json()["inputs"]]
