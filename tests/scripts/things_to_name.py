import math

VERSION = "1"
SETTINGS = {"a": 1}


class Nested:
    class Inner:
        def infer(self):
            return "inner"


class WithProperty:
    @property
    def weights(self):
        raise RuntimeError("a property that must not run")

    def infer(self):
        return 1


thing = WithProperty()


def inference():
    return "found"


def _private():
    return "hidden"
