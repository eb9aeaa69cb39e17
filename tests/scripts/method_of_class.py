class Handler:
    made = 0

    def __init__(self):
        Handler.made += 1
        self.calls = 0

    def ping(self):
        return {"calls": self.calls, "made": self.made}

    async def infer(self, request):
        self.calls += 1
        return {"prompt": (await request.json())["prompt"]}

    @staticmethod
    def plain():
        return "plain"


class Strict:
    def __init__(self, path):
        self.path = path

    def infer(self):
        return self.path


class Quits:
    def __init__(self):
        raise SystemExit("no weights")

    def infer(self):
        return "never"
