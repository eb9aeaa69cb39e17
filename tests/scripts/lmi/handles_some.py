import djl_python


async def handle(inputs):
    if "mine" in inputs.get_as_json():
        return djl_python.Output().add("mine")
