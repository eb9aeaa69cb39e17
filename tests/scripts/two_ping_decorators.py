from handrail import custom_ping_handler


@custom_ping_handler
def first():
    return True


@custom_ping_handler
def second():
    return False
