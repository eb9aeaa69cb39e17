from sibling import ask  # noqa: F401
