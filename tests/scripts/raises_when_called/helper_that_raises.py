def fail():
    raise LookupError("no such prompt")
