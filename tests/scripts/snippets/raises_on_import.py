import nowhere_to_be_found


def run_inference(body, environment):
    return body
