from djl_python import Output


async def handle(inputs):
    kind = inputs.get_as_json().get("as")
    return outputs(kind)


async def outputs(kind):
    for number in range(3):
        output = Output().add(f'{{"n": {number}}}' + ("\n" if number == 2 else ""))
        yield output.add_property("Content-Type", kind) if kind else output
