from fastapi import FastAPI
from handrail import custom_middleware

app = FastAPI()


@custom_middleware("throttle")
async def count(request, call_next):
    answer = await call_next(request)
    answer.headers["X-Counted"] = answer.headers.get("X-Counted", "") + "once"
    return answer


@app.post("/only")
async def only():
    return "only"


@app.get("/more")
async def more():
    return "more"
