from djl_python.output_formatter import output_formatter
from pydantic import BaseModel


class Said(BaseModel):
    text: str


@output_formatter
def tell(answer):
    return Said(text=answer["generated_text"])
