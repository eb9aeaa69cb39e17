from djl_python import Input, Output

LOADED = []


def handle(inputs: Input):
    if not LOADED:
        LOADED.append(inputs.get_properties()["model_dir"].rsplit("/", 1)[-1])
    if inputs.is_empty():
        return None
    return Output().add({"loaded": LOADED, "said": inputs.get_as_json()["inputs"]})
