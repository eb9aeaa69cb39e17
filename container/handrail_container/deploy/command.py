"""x"""

import click


@click.command()
def deploy() -> None:
    """x"""
