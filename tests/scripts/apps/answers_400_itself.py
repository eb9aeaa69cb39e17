"""An application that has its own answer to what is refused."""

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

app = FastAPI()


@app.exception_handler(HTTPException)
async def refused(request, error):
    return JSONResponse({"mine": error.status_code}, 400)


@app.post("/json")
async def as_json(body: dict):
    return body
