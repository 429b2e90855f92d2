"""What may be asked in an address. Empty fields, as forms send them, mean nothing was asked; an unknown name is refused, not ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from dissect.serve.settings import MOST_ROWS, MOST_UNITS
from dissect.store import UnitFilter

Order = Literal["score", "index", "concept", "category"]


def _asked(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Text = Annotated[Annotated[str, Field(max_length=400)] | None, BeforeValidator(_asked)]
Words = Annotated[Annotated[str, Field(max_length=1000)] | None, BeforeValidator(_asked)]
Cursor = Annotated[Annotated[str, Field(max_length=4000)] | None, BeforeValidator(_asked)]
Number = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, BeforeValidator(_asked)]


class LayerQuery(BaseModel):
    """Which units of a layer, in which order, from where."""

    model_config = ConfigDict(extra="forbid")

    q: Words = Field(None, description="Words that the label must hold.")
    category: Text = Field(None, description="Category of the label.")
    concept: Text = Field(None, description="A concept that the label names or uses.")
    method: Text = Field(None, description="Method of the label.")
    kind: Text = Field(None, description="concept, formula or description.")
    state: Text = Field(None, description="ok, dead, constant or saturated.")
    min_iou: Number = Field(None, description="Least IoU of the label.")
    max_q: Number = Field(None, description="Greatest q of the label; untested labels are left out.")
    detectors: bool = Field(False, description="Only units that count as detectors.")
    reviewed: Text = Field(None, description="accepted, rejected, relabelled, stale or unreviewed.")
    survives: bool = Field(False, description="Only detectors told from chance, chosen by both halves, held out above the threshold.")
    narrower: bool = Field(True, description="Words also find narrower concepts: dog finds terrier.")
    order: Order = Field("score", description="Order of the list.")
    after: Cursor = Field(None, description="`next` of the answer before.")
    before: Cursor = Field(None, description="`previous` of the answer behind, for going back.")
    limit: Annotated[int, Field(ge=1, le=MOST_UNITS, description="Most units in one answer.")] = 48

    def filters(self, **further: object) -> UnitFilter:
        """The same for the store."""
        names = (
            "q", "category", "concept", "method", "kind", "state", "min_iou", "max_q", "detectors", "reviewed", "survives", "narrower",
        )  # fmt: skip
        return UnitFilter(**{name: getattr(self, name) for name in names}, **further)  # type: ignore[arg-type]

    def asked(self) -> dict[str, object]:
        """What was asked that is not so by itself, for links that change one part of it."""
        return self.model_dump(exclude_defaults=True, exclude_none=True)

    def part(self) -> dict[str, Any]:
        """Which part of the list, for `Reader.units`."""
        return {"order": self.order, "limit": self.limit, "after": self.after, "before": self.before}

    def question(self) -> dict[str, object]:
        """The same without the place in the list."""
        return {name: value for name, value in self.asked().items() if name not in ("after", "before")}


class UnitQuery(LayerQuery):
    """Which units of all runs."""

    model: Text = Field(None, description="Name of the network.")
    dataset: Text = Field(None, description="Name of the probe data set.")
    layer: Text = Field(None, description="Name of the layer, or another tool's name of it.")
    run: Text = Field(None, description="Number, beginning of the fingerprint, or latest.")
    all_runs: bool = Field(False, description="Also older and unfinished runs on the same layer, network and data set.")
    uses: Annotated[list[str], Field(max_length=8)] = Field([], description="Concepts that a formula must use; -name: exclude.")
    limit: Annotated[int, Field(ge=1, le=MOST_UNITS, description="Most units in one answer.")] = 24

    def filters(self, **further: object) -> UnitFilter:
        """The same for the store; the newest runs only, unless one is named."""
        named = {name: getattr(self, name) for name in ("model", "dataset", "layer", "run")}
        return super().filters(newest=not self.all_runs, uses=tuple(filter(None, self.uses)), **named, **further)


class LayerTable(LayerQuery):
    """The units of a layer as a table."""

    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = MOST_ROWS


class UnitTable(UnitQuery):
    """Units as a table."""

    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = MOST_ROWS


class CompareQuery(BaseModel):
    """Two runs, or two methods of one."""

    model_config = ConfigDict(extra="forbid")

    a: Text = Field(None, description="The first run: number, beginning of the fingerprint, or latest.")
    b: Text = Field(None, description="The second run.")
    method: Text = Field(None, description="Labels of this method in the first run; without it each unit's first label.")
    against: Text = Field(None, description="Labels of this method in the second run; without it as in the first.")

    def asked(self) -> dict[str, object]:
        """What was asked, for links."""
        return self.model_dump(exclude_none=True)
