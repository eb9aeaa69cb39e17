from contextlib import asynccontextmanager

from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app):
    raise SystemExit("no index")
    yield


app = FastAPI(lifespan=lifespan)
