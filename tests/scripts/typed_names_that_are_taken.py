from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Error(BaseModel):
    pet: Cat | Dog = Field(discriminator="kind")


async def custom_sagemaker_invocation_handler(error: Error) -> Error:
    return error


async def custom_sagemaker_ping_handler(deep: Annotated[bool, Query()] = False) -> bool:
    return not deep
