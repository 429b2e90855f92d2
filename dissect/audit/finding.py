"""What an audit says: one finding per test, and the report that holds them. Plain data, as JSON and back.

A finding is kept whether something was found or not: a report that lists only hits hides how much was looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeAlias, TypeVar, cast, get_args

from dissect.errors import DataError
from dissect.fingerprint import Plain

Kind: TypeAlias = Literal["description", "response", "effect", "mask"]
State: TypeAlias = Literal["found", "not found", "not testable"]
KINDS: tuple[str, ...] = get_args(Kind)
STATES: tuple[str, ...] = get_args(State)
Record = TypeVar("Record")
FORMAT = 1
"""Version of the plain form."""


@dataclass(frozen=True, slots=True)
class Group:
    """One of the sides that were compared. images: how many; members: distinct persons, drives or the like, None where not known."""

    name: str
    images: int
    members: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One test of one unit (or of a whole layer or network: `unit` None) and what came of it.

    subject: the attribute, concept or lexicon that was tested. value: which group of it, which concept or lemma ("" for all).
    effect: a number that `effect_name` names (`AUROC`, `standardised difference`, `IoU`, `annotators`). interval: of the effect, 95 %.
    p, q: None where no test was made; q over the family that the report names. matched: confounders the groups were matched on.
    balance: confounder -> standardised difference that is left after matching. reason: why it could not be tested, or what limits it.
    text: the finding in one sentence. details: further numbers by name.
    """

    kind: Kind
    layer: str
    unit: int | None
    subject: str
    state: State
    value: str = ""
    groups: tuple[Group, ...] = ()
    effect: float | None = None
    effect_name: str = ""
    interval: tuple[float, float] | None = None
    p: float | None = None
    q: float | None = None
    matched: tuple[str, ...] = ()
    balance: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    text: str = ""
    details: Mapping[str, Plain] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        """Whether something was found."""
        return self.state == "found"

    def as_plain(self) -> dict[str, Plain]:
        """As JSON data."""
        return cast("dict[str, Plain]", _plain(self))


@dataclass(frozen=True, slots=True)
class Family:
    """Tests that share one rate of false discoveries. rule: in words. level: the rate. tests: how many; found: how many passed."""

    name: str
    tests: int
    found: int
    level: float = 0.05
    rule: str = "Benjamini-Hochberg"


@dataclass(frozen=True, slots=True)
class Power:
    """What a test of these sizes could have seen: the smallest effect that it finds with probability `power`."""

    subject: str
    sizes: tuple[int, ...]
    effect: float
    effect_name: str
    power: float = 0.8
    text: str = ""


@dataclass(frozen=True, slots=True)
class WordCounts:
    """Units whose description holds a lexicon's words, counted three ways. Only `lemma` is a finding; the others show what a rule hides.

    source: what was read. units: units with a description; texts: descriptions. whole, lemma, substring: units.
    missed: words that the lemma rule finds and the whole-word rule loses, with the number of texts. false_hits: words that only the
    substring rule finds, with the number of texts. set_aside: phrases in which the words mean something else, with the number of texts.
    groups: group of the lexicon -> units. annotators: most descriptions a unit has. agreement: how many units are flagged by at least 1,
    2, ... of their annotators. kappa: Fleiss' kappa, None where units have one description or not the same number. examples: (layer,
    unit, text) of flagged units.
    """

    lexicon: str
    source: str
    units: int
    texts: int
    whole: int
    lemma: int
    substring: int
    missed: tuple[tuple[str, int], ...] = ()
    false_hits: tuple[tuple[str, int], ...] = ()
    set_aside: tuple[tuple[str, int], ...] = ()
    groups: tuple[tuple[str, int], ...] = ()
    annotators: int = 1
    agreement: tuple[int, ...] = ()
    kappa: float | None = None
    examples: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two networks: how many units of each are flagged, and the difference of the shares (first - second) with 95 % interval and test.

    subject: the attribute, concept or lexicon; kind: by which way of looking. q: over all comparisons of the audit.
    """

    kind: Kind
    subject: str
    first: str
    second: str
    first_units: int
    second_units: int
    first_found: int
    second_found: int
    difference: float
    interval: tuple[float, float]
    p: float
    q: float | None = None
    rule: str = "Fisher's exact test"
    text: str = ""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """All of an audit. of, against: what was audited, and what it was compared with ("" for nothing).

    findings: every test, found or not. tested: what was looked at, in sentences. untested: what could not be, with the reason.
    settings: everything the result depends on.
    """

    of: str
    findings: tuple[Finding, ...] = ()
    against: str = ""
    tested: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()
    families: tuple[Family, ...] = ()
    power: tuple[Power, ...] = ()
    words: tuple[WordCounts, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    settings: Mapping[str, Plain] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Number of findings by state, every state named."""
        return {state: sum(finding.state == state for finding in self.findings) for state in STATES}

    def as_plain(self) -> dict[str, Plain]:
        """As JSON data, with the counts by state."""
        return {"format": FORMAT, "counts": cast("Plain", self.counts()), **cast("dict[str, Plain]", _plain(self))}


def finding_from_plain(plain: Mapping[str, Any]) -> Finding:
    """The inverse of `Finding.as_plain`.

    Raises:
        DataError: a field is missing, unknown or of another kind.
    """
    values = _fields(Finding, plain)
    if values.get("kind") not in KINDS or values.get("state") not in STATES:
        raise DataError(f"a finding of kind {values.get('kind')!r} and state {values.get('state')!r} is not known.")
    values["groups"] = tuple(Group(**_fields(Group, group)) for group in values.get("groups", ()))
    values["matched"] = tuple(values.get("matched", ()))
    values["interval"] = _pair(values.get("interval"))
    return _made(Finding, values)


def report_from_plain(plain: Mapping[str, Any]) -> AuditReport:
    """The inverse of `AuditReport.as_plain`.

    Raises:
        DataError: another format, or a field is missing, unknown or of another kind.
    """
    rest = {name: value for name, value in plain.items() if name not in ("format", "counts")}
    if plain.get("format") != FORMAT:
        raise DataError(f"this is no audit of format {FORMAT}: it says {plain.get('format')!r}. Make it again with this program.")
    values = _fields(AuditReport, rest)
    values["findings"] = tuple(finding_from_plain(each) for each in values.get("findings", ()))
    values["families"] = tuple(_made(Family, _fields(Family, each)) for each in values.get("families", ()))
    values["power"] = tuple(_tupled(Power, each) for each in values.get("power", ()))
    values["words"] = tuple(_tupled(WordCounts, each) for each in values.get("words", ()))
    values["comparisons"] = tuple(_tupled(Comparison, each) for each in values.get("comparisons", ()))
    values["tested"], values["untested"] = tuple(values.get("tested", ())), tuple(values.get("untested", ()))
    return _made(AuditReport, values)


def _fields(kind: Any, plain: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(plain) - {each.name for each in fields(kind)})
    if unknown:
        raise DataError(f"{kind.__name__} has no field {unknown[0]!r}.")
    return dict(plain)


def _made(kind: type[Record], values: Mapping[str, Any]) -> Record:
    try:
        return kind(**values)
    except TypeError as error:
        raise DataError(f"{kind.__name__}: {error}.") from error


def _tupled(kind: type[Record], plain: Mapping[str, Any]) -> Record:
    """A flat record whose lists are tuples."""
    return _made(kind, {name: _deep(value) for name, value in _fields(kind, plain).items()})


def _deep(value: Any) -> Any:
    return tuple(_deep(item) for item in value) if isinstance(value, list | tuple) else value


def _pair(value: Sequence[float] | None) -> tuple[float, float] | None:
    return None if value is None else (value[0], value[1])


def _plain(record: Any) -> Any:
    return _lists(asdict(record))


def _lists(value: Any) -> Any:
    """Tuples as lists, so that a round trip through JSON changes nothing."""
    if isinstance(value, Mapping):
        return {str(key): _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value
