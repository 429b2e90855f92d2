"""How a run's units are to be described, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from dissect.caption.decoding import Decoding, Strategy
from dissect.errors import UsageError
from dissect.fingerprint import Plain
from dissect.pipeline.caption_exemplars import Wanted
from dissect.pipeline.captioners import SHIPPED, Asked
from dissect.store import LayerMethod, RunRecord

METHOD = "milan"


@dataclass(frozen=True, slots=True)
class CaptionRequest:
    """How units are described.

    captioner: a name, the path of a captioner's card, or `transformers:FOLDER`. strategy, beam, kept, seed: see `Decoding`; strategy None
    is `rerank` where something gives log p(d), else `beam`. weight: lambda; None takes the captioner's own. length: words at most; None
    likewise. prior: what gives log p(d), `lm` or `marginal`; of a model of transformers `none`, `marginal` or `lm:FOLDER`; None is the
    first of these. layers: names or wildcards; empty for all. exemplars: of a unit (k). share: of positions above the threshold of the
    exemplars' masks. view, candidates, prompt: of a model of transformers, see `vision_language.open_describer`.
    """

    captioner: str = SHIPPED
    strategy: Strategy | None = None
    beam: int = 50
    weight: float | None = None
    prior: str | None = None
    layers: tuple[str, ...] = ()
    kept: int = 5
    length: int | None = None
    exemplars: int = 15
    share: float = 0.01
    seed: int = 0
    view: str | None = None
    candidates: str | None = None
    prompt: str | None = None

    def __post_init__(self) -> None:
        for name, most in (("exemplars", 1000), ("kept", 50)):
            if not 1 <= getattr(self, name) <= most:
                raise UsageError(f"--{name} is {getattr(self, name)}. Give a whole number from 1 to {most}.")
        if not 0 < self.share < 1:
            raise UsageError(f"--share is {self.share}. Give the share of positions inside the masks, between 0 and 1; 0.01 is usual.")
        self.decoding(1, 0.0)

    @property
    def asked(self) -> Asked:
        """The captioner."""
        return Asked(self.captioner, self.prior, self.view, self.candidates, self.prompt)

    @property
    def decided(self) -> Strategy:
        """The strategy, decided."""
        return self.strategy or ("beam" if self.asked.chosen_prior == "none" else "rerank")

    def decoding(self, length: int, weight: float) -> Decoding:
        """How to search. length, weight: the captioner's own, taken where the request says nothing.

        Raises:
            UsageError: a value means nothing.
        """
        chosen = weight if self.weight is None else self.weight
        return Decoding(self.decided, length if self.length is None else self.length, self.beam, chosen, self.kept, self.seed)

    @property
    def wanted(self) -> Wanted:
        """The exemplars."""
        return Wanted(self.exemplars, self.share)

    def as_plain(self) -> dict[str, Plain]:
        """For the database: all but the layers, which change no result."""
        plain = {name: value for name, value in dataclasses.asdict(self).items() if name != "layers"}
        return plain | {"strategy": self.decided, "prior": self.asked.chosen_prior}

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
