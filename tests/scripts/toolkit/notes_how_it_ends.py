from pathlib import Path


def predict_fn(data, model):
    """Says in a file when it asks, and how that ends."""
    note = Path(data["note"])
    note.write_text("asking")
    try:
        return model.chat("a long answer in many words").choices[0].message.content
    except Exception as error:
        note.write_text(type(error).__name__)
        raise
