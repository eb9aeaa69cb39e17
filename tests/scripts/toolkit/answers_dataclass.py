from dataclasses import dataclass


@dataclass
class Answer:
    text: str


def model_fn(model_dir):
    return {}


def predict_fn(data, model):
    return Answer("hello")
