"""The full-text index: FTS5 on SQLite, a tsvector with a GIN index on PostgreSQL; both hold the same words and answer alike.

One row for every label that lists can show, under the number of its row in `listed`. A document holds each word up to three times, with a
letter ahead of its code that says how near to the label it stands:

    a   in the label itself: its text, or the names of the concepts that its formula uses (not of those it excludes)
    b   there, or in another name of one of its concepts
    c   there, or in a name of something broader

so that a search by the label itself, with synonyms, or with narrower concepts asks for words with one letter each. Between two names
stands a word that no question can hold: a phrase ends where a name ends. `u` stands in every document, for questions that only exclude.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Join,
    MetaData,
    Table,
    Text,
    TextClause,
    bindparam,
    delete,
    select,
    text,
)
from sqlalchemy.ext.compiler import compiles

from dissect.store import members
from dissect.store.question import Every, Node, Some, Term, Without
from dissect.store.words import coded

NAME = "fulltext"
TIERS = ("a", "b", "c")
MOST_WORDS = 2_000
"""Words of a document that are kept, for each letter: a description is as long as an importer makes it."""
_MOST_PLACES = 255
_LAST_PLACE = 16_383

fulltext = Table(NAME, MetaData(), Column("rowid", BigInteger, primary_key=True), Column("doc", Text))
"""Not in `schema.metadata`: a virtual table on one database, a plain one on the other."""


class Ahead(Join):
    """An inner join whose left side SQLite looks through first: its planner would walk an index of the right side instead."""

    inherit_cache = True


@compiles(Ahead)
def _plain(join: Ahead, compiler: Any, **options: Any) -> str:
    return str(compiler.visit_join(join, **options))


@compiles(Ahead, "sqlite")
def _in_order(join: Ahead, compiler: Any, **options: Any) -> str:
    return str(compiler.visit_join(join, **options)).replace(" JOIN ", " CROSS JOIN ", 1)


def ahead_of(table: Table, condition: ColumnElement[bool]) -> Ahead:
    """The index, joined to a table."""
    return Ahead(fulltext, table, condition)


def is_index(table: str) -> bool:
    """Whether a table is the index or one of those in which SQLite keeps it."""
    return table == NAME or table.startswith(f"{NAME}_")


def document(own: Sequence[str], named: Sequence[str], above: Sequence[str]) -> list[str]:
    """The coded words of a label. own, named, above: cut texts of the label itself, of further names, and of what is broader."""
    levels = (list(own), [*own, *named], [*own, *named, *above])
    return ["u", *(word for tier, texts in zip(TIERS, levels, strict=True) for word in _coded(tier, texts))]


def _coded(tier: str, texts: Iterable[str]) -> list[str]:
    found: list[str] = []
    for one in dict.fromkeys(texts):
        found += [*(tier + coded(word) for word in one.split()), "s"]
    return found[:MOST_WORDS]


def write(connection: Connection, documents: Mapping[int, Sequence[str]]) -> None:
    """Write documents by number; one that is there is replaced."""
    erase(connection, list(documents))
    if not documents:
        return
    if connection.dialect.name == "sqlite":
        rows = [{"number": number, "words": " ".join(words)} for number, words in documents.items()]
        connection.execute(text(f"INSERT INTO {NAME} (rowid, doc) VALUES (:number, :words)"), rows)
    else:
        rows = [{"number": number, "words": _vector(words)} for number, words in documents.items()]
        connection.execute(text(f"INSERT INTO {NAME} (rowid, doc) VALUES (:number, CAST(:words AS tsvector))"), rows)


def erase(connection: Connection, numbers: Sequence[int]) -> None:
    """Take documents out."""
    if numbers:
        query = delete(fulltext).where(fulltext.c.rowid == bindparam("number"))
        connection.execute(query, [{"number": number} for number in numbers])


def matches(connection: Connection, query: str) -> TextClause:
    """The SQL condition that a row of the index answers a query that `wanted` made for this database."""
    if connection.dialect.name == "sqlite":
        return text(f"{NAME} MATCH :question").bindparams(question=query)
    # As a literal: PostgreSQL prepares what it sees often for any value at all, and such a plan takes no word for rare.
    asked = bindparam("question", query, Text, literal_execute=True)
    return text(f"{NAME}.doc @@ CAST(:question AS tsquery)").bindparams(asked)


def few(connection: Connection, query: str, most: int) -> list[int] | None:
    """The numbers of all rows that answer a query, if at most `most` do, so that it is best to begin with them; None otherwise.

    Only PostgreSQL is helped: its planner takes a rare word for a common one and walks the whole order of a list in search of it.
    """
    if connection.dialect.name == "sqlite":
        return None
    numbers = select(fulltext.c.rowid).where(matches(connection, query)).limit(members.most(most + 1))
    found = list(connection.execute(numbers).scalars())
    return found if len(found) <= most else None


def newest(connection: Connection, tree: Node, deepest: int, most: int) -> list[int] | None:
    """The highest numbers of rows that answer a question, by way of the index; None on SQLite, which walks in that order anyway."""
    if connection.dialect.name == "sqlite":
        return None
    every = select(fulltext.c.rowid).where(matches(connection, wanted(connection, tree, deepest, deepest)))
    found = every.cte("found").prefix_with("MATERIALIZED")
    return list(connection.execute(select(found.c.rowid).order_by(found.c.rowid.desc()).limit(members.most(most))).scalars())


def wanted(connection: Connection, tree: Node, tier: int, deepest: int) -> str:
    """The question in the database's language: its words in tier 0, 1 or 2 or nearer; what is negated in none up to `deepest`."""
    write_for = _fts5 if connection.dialect.name == "sqlite" else _tsquery
    return write_for(tree, TIERS[tier], TIERS[deepest])


def only_there(connection: Connection, tree: Node, tier: int, deepest: int) -> str:
    """As `wanted`, without what a nearer tier finds already."""
    here = wanted(connection, tree, tier, deepest)
    if tier == 0:
        return here
    nearer = wanted(connection, tree, tier - 1, deepest)
    return f"({here}) NOT ({nearer})" if connection.dialect.name == "sqlite" else f"({here}) & !({nearer})"


def _fts5(tree: Node, tier: str, deepest: str) -> str:
    match tree:
        case Term(patterns, last_open):
            end = " *" if last_open else ""
            return "(" + " OR ".join(f'"{" ".join(tier + coded(word) for word in words)}"{end}' for words in patterns) + ")"
        case Without(part):
            return f'("u" NOT {_fts5(part, deepest, deepest)})'
        case Some(parts):
            return "(" + " OR ".join(_fts5(part, tier, deepest) for part in parts) + ")"
        case Every(parts):
            found = " AND ".join(_fts5(part, tier, deepest) for part in parts if not isinstance(part, Without)) or '"u"'
            for part in parts:
                found = f"({found}) NOT {_fts5(part.part, deepest, deepest)}" if isinstance(part, Without) else found
            return f"({found})"


def _tsquery(tree: Node, tier: str, deepest: str) -> str:
    match tree:
        case Term(patterns, last_open):
            end = ":*" if last_open else ""
            return "(" + " | ".join(" <-> ".join(f"'{tier}{coded(word)}'" for word in words) + end for words in patterns) + ")"
        case Without(part):
            return f"('u' & !{_tsquery(part, deepest, deepest)})"
        case Some(parts):
            return "(" + " | ".join(_tsquery(part, tier, deepest) for part in parts) + ")"
        case Every(parts):
            return "(" + " & ".join(_tsquery(part, tier, deepest) for part in parts) + ")"


def _vector(words: Sequence[str]) -> str:
    """A tsvector as text, with the places of each word."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(words, start=1):
        if word != "s" and len(places[word]) < _MOST_PLACES:
            places[word].append(min(place, _LAST_PLACE))
    return " ".join(f"'{word}':{','.join(map(str, found))}" for word, found in places.items())
