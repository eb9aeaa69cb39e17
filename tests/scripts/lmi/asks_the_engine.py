import djl_python  # noqa: F401


def handle(inputs):
    if inputs.is_empty():
        return None
    return {"said": inputs.engine.generate(inputs.get_as_json()["inputs"]).choices[0].text}
