"""Filters as conditions on rows: a field is the column of the same name."""

import operator
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select

from tunesmith_server.domain.filters import Comparison, Filter, Operator

_COMPARE = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
}


def filtered(statement: Select[Any], table: Any, filter: Filter) -> Select[Any]:
    """`statement` for the rows that the filter lets through.

    It goes before the page's limit; the index of the page still gives order and place.
    """
    return statement.where(*(_condition(table, one) for one in filter.comparisons))


def label_column(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels for their column. PostgreSQL reads no JSON with a NUL in it, and no filter has one."""
    return {key: value.replace("\0", "\ufffd") for key, value in labels.items()}


def _condition(table: Any, comparison: Comparison) -> Any:
    column = table.c[comparison.field]
    if comparison.key:
        column = column[comparison.key].as_string()
    if comparison.operator is Operator.HAS:
        return column.is_not(None)
    return _COMPARE[comparison.operator](column, comparison.value)
