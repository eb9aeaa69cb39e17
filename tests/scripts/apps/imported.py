from one_post import app  # noqa: F401
