"""What the page says of each key is what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail_container.program.lmi import config, options, server_keys
from handrail_container.settings import lmi_variables

from tests.lmi_configuration.page import Row, rows

ROWS = list(rows())


def given_by(row: Row, folder: Path) -> dict[str, str]:
    """Write the row's key into the file, or answer with the environment that has it."""
    is_variable = row.key.isupper()
    text = "engine=Python" if is_variable and row.key in lmi_variables.BESIDE_OTHERS else ""
    (folder / "serving.properties").write_text(text if is_variable else f"{row.key}={row.value}")
    return {row.key: row.value} if is_variable else {}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_key_becomes_what_the_page_says(row: Row, tmp_path: Path) -> None:
    found = config.read(tmp_path, given_by(row, tmp_path), gpus=0)
    field = found.fields[-1]
    assert (field.name, field.outcome, field.note) == (row.key, row.outcome, row.note)
    assert bool(field.flags) is (row.outcome == "mapped")


def test_the_page_has_every_key() -> None:
    told = {row.key.lower() for row in ROWS}
    of_options = {f"option.{name}".lower() for name in options.RULES}
    of_server = {name.lower() for name in server_keys.RULES} - {"enable_cuda_graphs"}  # a variable's, by that name
    of_variables = {name.lower() for name in (*lmi_variables.ALWAYS, *lmi_variables.BESIDE_OTHERS)}
    assert of_options - {"option.modelname"} | of_server | of_variables <= told
    assert len(ROWS) > 100


def test_each_key_has_one_place() -> None:
    """A name in two lists of reasons would have one of them only."""
    assert len({(row.key, row.value) for row in ROWS}) == len(ROWS)
