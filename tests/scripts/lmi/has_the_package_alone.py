import djl_python  # noqa: F401
