from djl_python.input_parser import input_formatter
from fastapi import HTTPException


@input_formatter
def ask(data, **kwargs):
    raise HTTPException(402, "pay first")
