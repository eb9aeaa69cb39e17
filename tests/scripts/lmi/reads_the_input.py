from djl_python import Input


async def handle(inputs: Input):
    return {
        "who": inputs.get_property("x-WHO"),
        "headers": "X-Who" in inputs.get_properties(),
        "model_id": inputs.get_properties()["model_id"].rsplit("/", 1)[-1],
        "batch": [inputs.is_batch(), inputs.get_batch_size(), len(inputs.get_batches())],
        "function": inputs.get_function_name(),
        "content": [inputs.contains_key("data"), inputs.contains_key("other"), inputs.get_content().size()],
        "data": inputs.get_data(),
        "text": inputs.get_as_string(),
    }
