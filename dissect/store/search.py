"""Why a question found a label: by its own words, by another name of its concept, or by something broader."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, FromClause, and_, select

from dissect.store import schema
from dissect.store.listing import above_text, own_texts
from dissect.store.members import one_of
from dissect.store.question import NEGATED, Node, Term, holds, terms
from dissect.store.ties import Ties, ties
from dissect.store.views import LabelView
from dissect.store.words import cut


def uses(row: FromClause, name: str) -> ColumnElement[bool]:
    """The SQL condition that a row of `listed` is a formula in which a concept stands: as it is, or negated for `-name` or `NOT name`."""
    negated = NEGATED.fullmatch(name)
    plain = negated.group(1) if negated else name
    words, link, concept = cut(plain), schema.label_concept, schema.concept
    named = concept.c.words == words if words.strip() else concept.c.name == plain
    query = select(link.c.label_id).join(concept, concept.c.id == link.c.concept_id)
    query = query.where(link.c.sign == (-1 if negated else 1), named)
    return and_(row.c.kind == "formula", row.c.label_id.in_(query))


def reasons(connection: Connection, found: Sequence[LabelView], tree: Node) -> dict[int, str]:
    """Label id -> why it was found: `label`, `synonym: automobile is a name of car`, `narrower: terrier, under dog`.

    An edge says narrower, not whether by kind or by part, so the words do not either: a terrier is a dog, an eye is no face.
    """
    answers = {view.id: "label" for view in found}
    unexplained = [view for view in found if not holds(tree, _own(view), ())]
    if unexplained:
        used = _used(connection, [view.id for view in unexplained])
        tied = ties(connection, {concept for concepts in used.values() for concept in concepts})
        for view in unexplained:
            missing = [term for term in terms(tree) if not any(term.found_in(text) for text in _own(view))]
            answers[view.id] = _reason(missing, used.get(view.id, ()), tied) or _by_text(missing, view)
    return answers


def _own(view: LabelView) -> list[str]:
    if view.kind == "formula" and view.concepts:
        return [cut(name) for _, name, sign in view.concepts if sign == 1]
    return own_texts(view.kind, view.text)


def _reason(missing: Sequence[Term], concepts: Sequence[int], tied: Ties) -> str:
    for concept in concepts:
        name = tied.names[concept][0]
        for term in missing:
            for other in (*tied.names[concept][1:], *_names(tied, tied.alike(concept) - {concept})):
                if term.found_in(cut(other)):
                    return f"synonym: {other} is a name of {name}"
            for broader in sorted(tied.above(concept), key=lambda one: (len(tied.names[one][0]), one)):
                if any(term.found_in(cut(one)) for one in tied.names.get(broader, ())):
                    return f"narrower: {name}, under {tied.names[broader][0]}"
    return ""


def _by_text(missing: Sequence[Term], view: LabelView) -> str:
    """Of a description that is a name itself."""
    above = sorted(above_text(view.kind, view.text), key=lambda name: (len(name), name))
    return next((f"narrower: {view.text}, under {name}" for name in above if any(term.found_in(cut(name)) for term in missing)), "concept")


def _names(tied: Ties, concepts: set[int]) -> list[str]:
    return [name for concept in sorted(concepts) for name in tied.names.get(concept, ())]


def _used(connection: Connection, label_ids: Sequence[int]) -> dict[int, list[int]]:
    """Label -> the concepts that it uses and does not exclude, in their order."""
    link = schema.label_concept
    found: dict[int, list[int]] = {}
    query = select(link.c.label_id, link.c.concept_id).where(one_of(connection, link.c.label_id, label_ids), link.c.sign == 1)
    for row in connection.execute(query.order_by(link.c.label_id, link.c.position)):
        found.setdefault(row.label_id, []).append(row.concept_id)
    return found
