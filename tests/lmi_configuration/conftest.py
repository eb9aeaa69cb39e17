from __future__ import annotations

from tests.container.conftest import _clean_environment, weights

__all__ = ["_clean_environment", "weights"]
