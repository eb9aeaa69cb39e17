import json


def input_fn(data, content_type):
    return json.loads(data)


def predict_fn(data, model):
    completion = model.chat(data["messages"], max_tokens=8)
    return {"generated_text": completion.choices[0].message.content}
