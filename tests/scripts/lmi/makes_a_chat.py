from djl_python.input_parser import input_formatter


@input_formatter
async def ask(data: dict) -> dict:
    return {"messages": [{"role": "user", "content": data["inputs"]}]}
