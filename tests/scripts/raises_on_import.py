def load_weights():
    raise RuntimeError("no weights here\nand a second line")


load_weights()
