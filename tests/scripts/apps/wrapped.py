from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

inner = FastAPI()
app = GZipMiddleware(inner)


def create_app():
    return inner
