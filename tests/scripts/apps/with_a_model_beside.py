from fastapi import FastAPI

app = FastAPI()


class Model:
    def completions(self, model_input):
        return {"by": "the Model"}


@app.get("/more")
async def more():
    return {"by": "the app"}
