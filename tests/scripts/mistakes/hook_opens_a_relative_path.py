from handrail import on_startup


@on_startup
def load():
    open("index.bin").close()
