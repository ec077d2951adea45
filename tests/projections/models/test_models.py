"""What every read model declares of itself."""

from __future__ import annotations

import re

import pytest

from projections.projection import Projection, shape
from projections.read_models import PROJECTIONS


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_an_index_is_on_columns_that_the_rows_have(projection: Projection) -> None:
    """SQLite takes a name in double quotes that no column has for a text, and says nothing."""
    columns = shape(projection.row).columns
    indexed = [column for index in projection.indexes for column in index.split()]
    assert [column for column in indexed if column not in columns] == []


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_a_row_is_not_changed_in_place(projection: Projection) -> None:
    assert projection.row.__struct_config__.frozen


def test_read_models_are_named_as_they_are_asked_for() -> None:
    names = [each.name for each in PROJECTIONS]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch("[a-z]+", name)] == []
