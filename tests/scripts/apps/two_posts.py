from fastapi import FastAPI

api = FastAPI(title="of another name")
app: FastAPI = api


@app.post("/first")
def first(): ...


@app.post("/second/{name}")
def second(name: str): ...


@app.post("/tokenize")
def tokenize(): ...


@app.get("/health")
def health(): ...


@app.get("/metrics")
def metrics(): ...


@app.get("/adapters")
def adapters(): ...


@app.get("/{name}")
def template(name: str): ...


@app.get("/v1/{anything:path}")
def anything(anything: str): ...
