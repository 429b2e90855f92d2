"""How a run's units are to be described, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from dissect.caption.decoding import Decoding, Strategy
from dissect.caption.trained import PriorKind
from dissect.errors import UsageError
from dissect.fingerprint import Plain
from dissect.pipeline.caption_exemplars import Wanted
from dissect.pipeline.captioners import SHIPPED
from dissect.store import LayerMethod, RunRecord

METHOD = "milan"


@dataclass(frozen=True, slots=True)
class CaptionRequest:
    """How units are described.

    captioner: a name, or the path of a captioner's card. strategy, beam, kept, seed: see `Decoding`. weight: lambda; None takes the
    captioner's own. length: words at most; None likewise. prior: what gives log p(d), `lm` or `marginal`. layers: names or wildcards;
    empty for all. exemplars: of a unit (k). share: of positions above the threshold of the exemplars' masks.
    """

    captioner: str = SHIPPED
    strategy: Strategy = "rerank"
    beam: int = 50
    weight: float | None = None
    prior: PriorKind = "lm"
    layers: tuple[str, ...] = ()
    kept: int = 5
    length: int | None = None
    exemplars: int = 15
    share: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        for name, most in (("exemplars", 1000), ("kept", 50)):
            if not 1 <= getattr(self, name) <= most:
                raise UsageError(f"--{name} is {getattr(self, name)}. Give a whole number from 1 to {most}.")
        if not 0 < self.share < 1:
            raise UsageError(f"--share is {self.share}. Give the share of positions inside the masks, between 0 and 1; 0.01 is usual.")
        self.decoding(1, 0.0)

    def decoding(self, length: int, weight: float) -> Decoding:
        """How to search. length, weight: the captioner's own, taken where the request says nothing.

        Raises:
            UsageError: a value means nothing.
        """
        chosen = weight if self.weight is None else self.weight
        return Decoding(self.strategy, length if self.length is None else self.length, self.beam, chosen, self.kept, self.seed)

    @property
    def wanted(self) -> Wanted:
        """The exemplars."""
        return Wanted(self.exemplars, self.share)

    def as_plain(self) -> dict[str, Plain]:
        """For the database: all but the layers, which change no result."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "layers"}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Plain]) -> CaptionRequest:
        """What `as_plain` wrote; what is not of a request is passed over."""
        names = {each.name for each in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in plain.items() if name in names})  # type: ignore[arg-type]


@dataclass(frozen=True)
class CaptionOutcome:
    """What came of it: the layers that are described, and those of them that were so already."""

    run: RunRecord
    layers: tuple[LayerMethod, ...]
    repeated: tuple[str, ...]

    def lines(self) -> list[str]:
        """For a person."""
        out = []
        for each in self.layers:
            first, *more = sentences(each.summary)
            again = " (was there already)" if each.layer in self.repeated else ""
            out += [f"run {self.run.id}, {each.layer}: {first}{again}", *(f"  {line}" for line in more)]
        return out

    def as_plain(self) -> dict[str, object]:
        """For a program."""
        layers = [{"layer": each.layer, "settings": dict(each.settings), "summary": dict(each.summary)} for each in self.layers]
        return {"run": self.run.id, "repeated": list(self.repeated), "layers": layers}


def sentences(summary: Mapping[str, Plain]) -> list[str]:
    """A described layer in words, a line each; the first says how many units are described."""
    lines = summary.get("lines")
    return [str(line) for line in lines] if isinstance(lines, list | tuple) and lines else ["described"]
