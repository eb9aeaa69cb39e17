"""A hook that cannot do its work."""

from handrail import on_startup


@on_startup
def load():
    raise OSError("no index")
