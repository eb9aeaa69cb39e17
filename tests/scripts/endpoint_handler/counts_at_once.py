import threading

LOCK = threading.Lock()
TOGETHER = threading.Event()


class EndpointHandler:
    def __init__(self, path=""):
        self.now = self.most = 0

    def __call__(self, data):
        """Waits until `together` are here, or for a moment; the most that were here at once."""
        with LOCK:
            self.now += 1
            self.most = max(self.most, self.now)
            if self.most >= data["inputs"]["together"]:
                TOGETHER.set()
        TOGETHER.wait(data["inputs"]["patience"])
        with LOCK:
            self.now -= 1
        return self.most
