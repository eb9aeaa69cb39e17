async def predict_fn(data, model):
    for word in ("a", "b"):
        yield {"word": word}
