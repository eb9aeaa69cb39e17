"""What a whole model is where its style says nothing."""

from __future__ import annotations

from handrail import Neighbours, Start, WholeModel

from tests.handlers.driver import WordEngine


async def nothing(*_: object) -> None: ...


async def test_every_member_has_a_default() -> None:
    model = WholeModel()
    await model.start(Start(WordEngine(), ""))
    assert await model.is_healthy(is_fresh=True)
    assert model.prefixes(Neighbours(nothing, nothing, nothing)) == {}
    assert (model.explain(KeyError()), model.contract(), model.unasked()) == (None, None, [])
    assert (tuple(model.rows()), dict(model.data())) == ((), {})
    await model.stop()
