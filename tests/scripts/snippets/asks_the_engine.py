import json


def run_inference(body, environment, engine):
    method, model_input = json.loads(body)
    return json.dumps(getattr(engine, method)(model_input))
