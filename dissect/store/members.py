"""Values in statements, so that databases plan well: many numbers as one value, and a limit that stands in the statement itself."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, BigInteger, BindParameter, ColumnElement, Connection, Integer, Text, any_, bindparam, func, literal, select

_FEW = 500
"""Numbers for which SQLite is quicker with a placeholder each."""


def one_of(connection: Connection, column: ColumnElement[Any], numbers: Collection[int]) -> ColumnElement[bool]:
    """Whether a column of whole numbers holds one of these; never for none. One bound value where there may be thousands."""
    if connection.dialect.name == "sqlite" and len(numbers) <= _FEW:
        return column.in_(numbers)
    if connection.dialect.name == "sqlite":
        table = func.json_each(literal(json.dumps(list(numbers)), Text)).table_valued("value")
        return column.in_(select(table.c.value))
    listed: ColumnElement[bool] = column == any_(literal(list(numbers), ARRAY(BigInteger)))
    return listed


def most(number: int) -> BindParameter[int]:
    """A limit, written out. PostgreSQL prepares a statement that it sees often for any limit, and then counts on many rows."""
    return bindparam(None, number, Integer, unique=True, literal_execute=True)
