class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        given = data["inputs"]
        size = given.size if hasattr(given, "size") else len(given)
        return [type(given).__name__, getattr(given, "mode", None), size, data.get("parameters")]
