from fastapi import FastAPI
from starlette.responses import PlainTextResponse

app = FastAPI()
app.state.engine = "the author's own"


class Breaks:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"] == "/before":
            raise ValueError("before any route")
        await self.app(scope, receive, send)
        if scope["type"] == "http" and scope["path"] == "/after":
            raise ValueError("after the route")


app.add_middleware(Breaks)


@app.get("/after")
async def after(): ...


@app.get("/own")
async def own():
    return app.state.engine


@app.get("/no-answer")
async def no_answer():
    return PlainTextResponse(object())
