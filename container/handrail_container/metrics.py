"""What the server counts of itself; vLLM's and the user's metrics share the registry."""

from __future__ import annotations

from prometheus_client import Counter

reloads = Counter("handrail_reloads", "Reloads of the handlers after an edit, by how they ended.", ["result"])
for _result in ("ok", "refused"):
    reloads.labels(_result)  # a series that is there from the start, at zero
