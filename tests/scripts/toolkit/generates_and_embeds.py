def predict_fn(data, model):
    text = model.generate(data["prompt"], max_tokens=4).choices[0].text
    vector = model.embed(text).data[0].embedding
    return [text, len(vector), repr(model)]
