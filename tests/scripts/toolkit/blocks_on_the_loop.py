async def predict_fn(data, model):
    return model.chat("hello").choices[0].message.content
