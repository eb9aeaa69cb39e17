"""A round of the bench counts only where every request was answered."""

from __future__ import annotations

import pytest

from tests.bench.load import all_answered

SAID = """\
Running 1s test @ http://127.0.0.1:8080/
  1 threads and 2 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    25.41us    8.11us   0.91ms   93.82%
    Req/Sec    38.71k     1.20k   39.80k    90.91%
  {requests} requests in 1.10s, 6.24MB read
{more}Requests/sec:  38512.44
Transfer/sec:      5.67MB
"""


def test_a_round_of_answers() -> None:
    assert all_answered("ours", SAID.format(requests=42363, more="")) == 42363


@pytest.mark.parametrize(
    "line", ["Socket errors: connect 0, read 12, write 0, timeout 0", "Non-2xx or 3xx responses: 17"]
)
def test_a_round_with_requests_that_were_not_answered(line: str) -> None:
    """Says whose, and wrk's own line first."""
    with pytest.raises(AssertionError) as failed:
        all_answered("ours", SAID.format(requests=42363, more=f"  {line}\n"))
    assert str(failed.value).splitlines()[0] == f"ours: {line}"


def test_a_round_of_nothing() -> None:
    with pytest.raises(AssertionError, match="ours answered nothing"):
        all_answered("ours", SAID.format(requests=0, more=""))
