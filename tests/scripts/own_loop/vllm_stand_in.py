"""Stands for vLLM, without an engine: `generate` blocks its thread until a test lets it go."""

import threading

MAY_GO = threading.Event()
#: Calls that wait now.
WAITING = []


class LLM:
    def __init__(self, model="tiny"):
        self.model = model

    def generate(self, prompts):
        WAITING.append(threading.current_thread().name)
        try:
            if prompts != "quick" and not MAY_GO.wait(30):
                raise TimeoutError("the test has not let it go")
        finally:
            WAITING.pop()
        return f"{prompts} by {self.model}"

    def thread(self):
        return threading.current_thread().name
