from fastapi import FastAPI


class Model:
    def predict(self, body):
        return {"by": "the Model"}


app = FastAPI()
model = Model()


@app.post("/invocations")
def answer(body: dict):
    return {"through the app": model.predict(body)}
