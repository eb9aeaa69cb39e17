import threading

BEGUN, END = threading.Event(), threading.Event()


class EndpointHandler:
    def __init__(self, path=""):
        self.is_busy = False

    def __call__(self, data):
        yield "busy " if self.is_busy else "free "
        if data["inputs"] == "wait":
            self.is_busy = True
            BEGUN.set()
            END.wait(60)
            self.is_busy = False
        yield data["inputs"]
