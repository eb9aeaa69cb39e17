from djl_python import Output


class Words:
    def __init__(self, text):
        self.left = text.split()

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0) + " "


async def handle(inputs):
    return Output(202).add_stream_content(Words(inputs.get_as_json()["inputs"]))
