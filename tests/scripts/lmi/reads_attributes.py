from djl_python.output_formatter import output_formatter


@output_formatter
def tell(output):
    if hasattr(output, "choices") and len(output.choices) > 0:
        first = output.choices[0]
        said = first.text if hasattr(first, "text") else first.message.content
        return {"said": said, "model": output.model, "index": first.index, "reason": first.finish_reason}
    return {}
