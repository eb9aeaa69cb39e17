from fastapi import FastAPI

app = FastAPI(openapi_url=None)


def openapi():
    raise ValueError("no description")


app.openapi = openapi


@app.post("/invocations")
async def answer(): ...


async def not_callable_as_it_should_be():
    """Starlette calls it with the request."""


app.add_route("/no-user-frame", not_callable_as_it_should_be)
