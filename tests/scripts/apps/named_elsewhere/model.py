from handrail import custom_ping_handler


@custom_ping_handler
def ping():
    return True
