"""What came of testing a captioner on held-out networks and planted units, as rows for people, programs and cards."""

from __future__ import annotations

from dataclasses import dataclass

from dissect.fingerprint import Plain

METHODS = ("pmi", "given", "stepwise", "constant", "frequent", "shuffled", "annotator")
BASELINES = ("constant", "frequent", "shuffled")


@dataclass(frozen=True)
class Row:
    """A rule over all held-out units: means, and how much pmi's AUC and balanced accuracy are above its own, each with the ends of a 95 %
    paired bootstrap interval over units (None for pmi itself)."""

    method: str
    auc: float
    balanced: float
    coverage: float
    above: tuple[float, float, float] | None
    above_balanced: tuple[float, float, float] | None

    def plain(self) -> dict[str, Plain]:
        """For JSON and for cards."""
        numbers = {"auc": self.auc, "balanced_accuracy": self.balanced, "coverage": self.coverage}
        rounded: dict[str, Plain] = {name: round(value, 4) for name, value in numbers.items()}
        for name, gap in (("pmi_minus_auc", self.above), ("pmi_minus_balanced_accuracy", self.above_balanced)):
            rounded[name] = None if gap is None else [round(value, 4) for value in gap]
        return {"method": self.method, **rounded}


@dataclass(frozen=True)
class PlantedRow:
    """Planted units of one kind: how many, share whose description names all of their meaning, share by chance (descriptions shuffled);
    of combinations also the shares that name the object, and the attribute."""

    kind: str
    units: int
    right: float
    chance: float
    object: float | None = None
    attribute: float | None = None

    def plain(self) -> dict[str, Plain]:
        """For JSON and for cards."""
        shares = {"right": self.right, "chance": self.chance, "object": self.object, "attribute": self.attribute}
        return {"kind": self.kind, "units": self.units, **{k: None if v is None else round(v, 4) for k, v in shares.items()}}


@dataclass(frozen=True)
class Evaluated:
    """What came out. units: tested ones. bleu: of the pmi descriptions against the annotators'. perplexity: of the annotators' words given
    the exemplars (exp of nats a word). shown: (layer, unit, annotator's text, pmi text) of some units."""

    rows: tuple[Row, ...]
    planted: tuple[PlantedRow, ...]
    networks: tuple[str, ...]
    units: int
    bleu: float
    perplexity: float
    shown: tuple[tuple[str, int, str, str], ...] = ()
    told: tuple[tuple[str, str, str], ...] = ()
    """(kind, meaning, description) of planted units that were not named right."""

    def holds(self) -> dict[str, bool]:
        """The claims: pmi is at most .02 below given, both are above every baseline, and planted meanings are named."""
        auc = {row.method: row.auc for row in self.rows}
        worst = max(auc[name] for name in BASELINES)
        return {
            "pmi is not below given by more than .02": auc["pmi"] >= auc["given"] - 0.02,
            "pmi is above every baseline": auc["pmi"] > worst,
            "given is above every baseline": auc["given"] > worst,
            "at least 90 % of noiseless planted concepts are named": self.planted[0].right >= 0.9,
        }

    def plain(self) -> dict[str, Plain]:
        """For JSON and for cards."""
        return {
            "networks": list(self.networks),
            "units": self.units,
            "bleu": round(self.bleu, 4),
            "perplexity": round(self.perplexity, 4),
            "detection": [row.plain() for row in self.rows],
            "planted": [row.plain() for row in self.planted],
            "holds": dict(self.holds()),
        }
