from djl_python import Output

NAMES = ("tensor_parallel_degree", "my_own", "dtype", "model_id")


async def handle(inputs):
    return Output().add_as_json({name: inputs.get_property(name) for name in NAMES})
