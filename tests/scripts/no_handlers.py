def helper():
    return "not a handler"
