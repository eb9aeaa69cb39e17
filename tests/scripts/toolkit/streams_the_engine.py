def predict_fn(data, model):
    for chunk in model.chat(data["messages"], stream=True):
        yield chunk["choices"][0]["delta"].get("content") or ""
