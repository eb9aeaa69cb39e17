def predict(body):
    return {"mine": body}
