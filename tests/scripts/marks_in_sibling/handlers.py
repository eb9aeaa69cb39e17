from handrail import custom_invocation_handler, custom_ping_handler


@custom_ping_handler
def ping():
    return "sibling ping"


@custom_invocation_handler
def infer():
    return "sibling infer"
