from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

IS_WELL = [True]


async def ping(request):
    return JSONResponse({"pong": request.method}, 200 if IS_WELL[0] else 500)


async def health(request):
    return JSONResponse({"mine": True})


async def fall_ill(request):
    IS_WELL[0] = False
    return JSONResponse({})


async def front(request):
    return JSONResponse({"front": "page"})


async def metrics(request):
    return JSONResponse({})


async def stream(socket):
    await socket.accept()
    await socket.send_text("mine")
    await socket.close()


app = Starlette(
    routes=[
        Route("/", front),
        Route("/ping", ping),
        Route("/health", health),
        Route("/metrics", metrics),
        Route("/ill", fall_ill, methods=["PUT"]),
        Route("/{which}/predict", fall_ill, methods=["POST"]),
        WebSocketRoute("/invocations-bidirectional-stream", stream),
        WebSocketRoute("/v1/websocket", stream),
    ]
)
