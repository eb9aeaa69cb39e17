from json import dumps as predict


def words():
    return predict({})


class Model:
    """Rows of a table."""

    def row(self): ...
