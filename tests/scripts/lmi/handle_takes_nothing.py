import djl_python  # noqa: F401


def handle():
    return None
