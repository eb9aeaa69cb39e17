from pydantic import BaseModel, IPvAnyAddress


class Hosts(BaseModel):
    hosts: list[IPvAnyAddress]


async def custom_sagemaker_invocation_handler(hosts: Hosts):
    return {"count": len(hosts.hosts)}
