def predict_fn(data, model, context):
    context.set_response_status(202)
    context.set_response_header(0, "X-Words", "2")
    context.set_response_content_type(0, "text/x-words")
    return (word for word in ("a ", "b"))
