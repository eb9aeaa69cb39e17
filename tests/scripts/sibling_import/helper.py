import model


def count():
    model.STATE["calls"] += 1
    return model.STATE["calls"]


def ping():
    return {"calls": model.STATE["calls"]}
