import djl_python  # noqa: F401


class Model:
    def predict(self, data):
        return f"helped {data}"


async def handle(inputs):
    return {"said": Model().predict(inputs.get_as_json()["inputs"])}
