async def serve_http(app, sock=None, **words):
    raise AssertionError("it would serve")
