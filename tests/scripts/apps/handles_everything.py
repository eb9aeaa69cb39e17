from fastapi import FastAPI
from fastapi.responses import JSONResponse

app = FastAPI()


@app.exception_handler(Exception)
async def whatever(request, error):
    return JSONResponse({"oops": str(error)}, 500)


@app.exception_handler(404)
async def nowhere(request, error):
    return JSONResponse({"nowhere": request.url.path}, 404)


@app.post("/broken")
async def broken():
    raise ValueError("as asked")
