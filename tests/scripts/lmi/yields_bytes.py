import djl_python  # noqa: F401


def handle(inputs):
    yield b"one "
    yield b"two"
