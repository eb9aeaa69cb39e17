import uvicorn
from fastapi import FastAPI

app = FastAPI()
server = uvicorn.Server(uvicorn.Config(app))
server.run()
