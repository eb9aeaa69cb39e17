from djl_python import Input, Output


async def handle(inputs: Input) -> Output:
    data = inputs.get_as_json()
    return Output().add_as_json({"said": data["inputs"]})
