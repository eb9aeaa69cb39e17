from fastapi import FastAPI, Request

app = FastAPI()


@app.get("/ping")
async def ping():
    return {}


@app.post("/invocations")
async def invocations(request: Request):
    return {"mine": await request.json()}
