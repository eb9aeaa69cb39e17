async def predict_fn(data, model):
    completion = await model.engine.chat_completions(model_input={"messages": data["messages"]})
    return completion.choices[0].message.content
