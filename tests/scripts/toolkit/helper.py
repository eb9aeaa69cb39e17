def answer(data):
    return "helped"
