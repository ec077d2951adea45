"""Spark as the engine of a fold."""

from __future__ import annotations

from projections.folding.tasks import Engine


def spark(master: str | None, number: int) -> Engine:
    """Spark, as `tasks.Engine` asks. Raises ImportError where pyspark is not installed."""
    raise ImportError(f"no Spark yet for {master or number}")
