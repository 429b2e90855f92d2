"""Describing units with a saved transformers model: p(d | E) of an image-captioning or image-text-to-text model, one picture at a time.

    log p(d | E) = mean over the unit's exemplars of log p(d | picture), where the picture is shown masked, cropped or outlined
    score(d)     = log p(d | E) - lambda log p(d)

and the description is the candidate of highest score. log p sums tokens and the end, in nats, without length normalisation. log p(d) is
that of a causal language model (the score is then LM-penalised, not PMI), or the log of the mean of p(d | E_u) over units (a sample of
them where units have candidates of their own), or there is none. Exemplars whose mask is empty show nothing of the unit and are left out.
Letters: U units, k exemplars, C candidates.
Source: Hernandez et al. 2022, eq. 3, with another model in the place of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dissect.caption.decoding import Decoding, Description
from dissect.caption.describer import ExemplarSet
from dissect.caption.vl_candidates import concept_phrases, list_hash, pooled, read_phrases
from dissect.caption.vl_files import PREFIX, hushed, open_captioner, open_language_model
from dissect.caption.vl_models import PictureModel, picture_model
from dissect.caption.vl_prior import CausalPrior, marginal
from dissect.caption.vl_text import FloatArray
from dissect.caption.vl_views import VIEWS, VlView, shown
from dissect.errors import NotSupportedError, UsageError
from dissect.fingerprint import Plain
from dissect.probe.progress import Progress

VERSION = 1
"""Raised when a change here changes descriptions; part of the facts."""
PROPOSED = 5
"""Texts a picture for which a captioner is asked."""
MARGINAL_UNITS = 16
"""Units over which the mean is taken where every unit has candidates of its own; where all share a list, it is over all units."""
LM_PENALISED, PMI, PLAIN = "LM-penalised", "PMI", "log p(d|E)"
CAPTIONER, VOCABULARY = "captioner", "vocabulary"
NO_PRIOR, MARGINAL, LM = "none", "marginal", "lm:"


@dataclass(frozen=True)
class _Prior:
    """What gives log p(d): `none`, `marginal`, or a language model."""

    kind: str
    model: CausalPrior | None = None

    @property
    def score(self) -> str:
        """What descriptions are ordered by, by name."""
        return {NO_PRIOR: PLAIN, MARGINAL: PMI}.get(self.kind, LM_PENALISED)


class VisionLanguageDescriber:
    """Describes units with a `PictureModel`. Made by `open_describer`.

    fixed: candidates that are the same for every unit; None: what the model proposes for the unit's exemplars. said: facts about the
    model and the prior.
    """

    def __init__(
        self, name: str, model: PictureModel, prior: _Prior, view: VlView, fixed: tuple[str, ...] | None, said: Mapping[str, Plain]
    ) -> None:
        self.name = name
        self._model, self._prior, self._view, self._fixed, self._said = model, prior, view, fixed, dict(said)

    @property
    def score(self) -> str:
        """What descriptions are ordered by: `PMI` (marginal prior), `LM-penalised`, or `log p(d|E)`."""
        return self._prior.score

    def facts(self) -> Mapping[str, Plain]:
        """See `Describer`."""
        fixed = None if self._fixed is None else list_hash(self._fixed)
        return {**self._said, "version": VERSION, "kind": "transformers", "view": self._view, "candidates": fixed, "score": self.score}

    def describe(self, exemplars: ExemplarSet, decoding: Decoding, progress: Progress) -> list[tuple[Description, ...]]:
        """See `Describer`. `beam` and `greedy` order by log p(d | E), `rerank` by the score; `greedy` asks for one text a picture.

        Raises:
            UsageError: another strategy, or `rerank` without a prior.
        """
        self.check(decoding)
        units = [unit for unit in range(len(exemplars)) if exemplars.reason(unit) is None]
        described: list[tuple[Description, ...]] = [() for _ in range(len(exemplars))]
        if units:
            candidates, scores = self._asked(exemplars, units, decoding, progress)
            known = self._known(exemplars, units, candidates, scores, progress)
            for unit, texts, given in zip(units, candidates, scores, strict=True):
                log_p = None if known is None else np.array([known[text] for text in texts])
                described[unit] = self._best(texts, given, log_p, decoding)
        return described

    def check(self, decoding: Decoding) -> None:
        """Refuse a decoding that this describer cannot do.

        Raises:
            UsageError: another strategy than `greedy`, `beam` and `rerank`, or `rerank` without a prior.
        """
        if decoding.strategy not in ("greedy", "beam", "rerank"):
            raise NotSupportedError(
                f"decoding by {decoding.strategy} is not offered with {self.name}. Choose greedy or beam (by log p(d|E)), or rerank."
            )
        if decoding.strategy == "rerank" and self._prior.kind == NO_PRIOR:
            raise UsageError("decoding by rerank needs log p(d). Give --prior lm:FOLDER or --prior marginal, or decode by beam.")

    def _asked(
        self, exemplars: ExemplarSet, units: Sequence[int], decoding: Decoding, progress: Progress
    ) -> tuple[list[tuple[str, ...]], list[FloatArray]]:
        """Candidates of each unit, and log p(d | E) of each."""
        candidates: list[tuple[str, ...]] = []
        scores: list[FloatArray] = []
        progress.start("describe", len(units), "unit")
        for unit in units:
            states = self._model.look(list(self._views(exemplars, unit)))
            candidates.append(self._proposed(states, decoding) if self._fixed is None else self._fixed)
            scores.append(self._given(states, candidates[-1]))
            progress.advance(1)
        progress.done()
        return candidates, scores

    def _known(
        self, exemplars: ExemplarSet, units: Sequence[int], candidates: Sequence[tuple[str, ...]], scores: Sequence[FloatArray],
        progress: Progress,
    ) -> dict[str, float] | None:  # fmt: skip
        """log p(d) of every candidate; None without a prior."""
        if self._prior.kind == NO_PRIOR:
            return None
        every = tuple(dict.fromkeys(text for texts in candidates for text in texts))
        if self._prior.model is not None:
            log_p = self._prior.model.log_p(every, self._model.opening)
        elif self._fixed is not None:
            log_p = marginal(np.stack(scores))
        else:
            log_p = marginal(np.stack(list(self._under_others(exemplars, units, every, progress))))
        return dict(zip(every, log_p.tolist(), strict=True))

    def _under_others(
        self, exemplars: ExemplarSet, units: Sequence[int], texts: Sequence[str], progress: Progress
    ) -> Iterator[FloatArray]:  # fmt: skip
        """log p(d | E_u) of texts for a sample of the units, evenly over all."""
        several = min(MARGINAL_UNITS, len(units))
        progress.start("mean over units", several, "unit")
        for place in range(several):
            unit = units[place * len(units) // several]
            yield self._given(self._model.look(list(self._views(exemplars, unit))), texts)
            progress.advance(1)
        progress.done()

    def _views(self, exemplars: ExemplarSet, unit: int) -> Iterator[Image.Image]:
        for rank in np.flatnonzero(exemplars.seen[unit]).tolist():
            picture = exemplars.picture(int(exemplars.image[unit, rank]))
            yield shown(picture, exemplars.mask(unit, rank), self._view)

    def _proposed(self, states: Sequence[Any], decoding: Decoding) -> tuple[str, ...]:
        each = 1 if decoding.strategy == "greedy" else min(PROPOSED, decoding.beam)
        return pooled(self._model.propose(states, each, decoding.length), decoding.beam)

    def _given(self, states: Sequence[Any], texts: Sequence[str]) -> FloatArray:
        """(C,) the mean over pictures of log p(text | picture)."""
        if not texts:
            return np.zeros(0, np.float64)
        mean: FloatArray = np.mean([self._model.log_p(state, texts) for state in states], axis=0)
        return mean

    def _best(self, texts: Sequence[str], given: FloatArray, log_p: FloatArray | None, decoding: Decoding) -> tuple[Description, ...]:
        """The first `kept` candidates; equal scores keep the order of the candidates."""
        both = None if log_p is None else given - decoding.weight * log_p
        order = np.argsort(-(both if both is not None and decoding.strategy == "rerank" else given), kind="stable")[: decoding.kept]
        return tuple(
            Description(
                texts[c],
                self._model.text.after(self._model.opening, texts[c]),
                float(given[c]),
                None if log_p is None else float(log_p[c]),
                None if both is None else float(both[c]),
            )
            for c in order.tolist()
        )


def open_describer(
    spec: str,
    *,
    view: str = "masked",
    prior: str = NO_PRIOR,
    candidates: str = CAPTIONER,
    prompt: str | None = None,
    vocabulary: Sequence[str] = (),
    device: str = "auto",
    trust: bool = False,
) -> VisionLanguageDescriber:
    """A describer from a saved transformers model.

    spec: `transformers:FOLDER` or `transformers:ORG/NAME`. view: `masked`, `cropped` or `outlined`. prior: `none`, `marginal`, or
    `lm:FOLDER`. candidates: `captioner` (what the model writes about the exemplars), `vocabulary` (the names in `vocabulary`, as people
    write them), or a file with one phrase a line. prompt: what every description begins with, or the question for a model that answers
    questions. trust: let a pickle of weights run code.

    Raises:
        UsageError: an option is not understood. NotFoundError, NetworkError, CheckpointError, DataError: a folder or file cannot be used.
    """
    if not spec.startswith(PREFIX) or spec == PREFIX:
        raise UsageError(f"{spec!r} names no transformers model. Write transformers:FOLDER, with the folder of save_pretrained.")
    if view not in VIEWS:
        raise UsageError(f"--view is {view!r}. Choose one of {', '.join(VIEWS)}.")
    if prior not in (NO_PRIOR, MARGINAL) and not (prior.startswith(LM) and prior != LM):
        raise UsageError(f"--prior is {prior!r}. Choose none, marginal, or lm:FOLDER with a causal language model.")
    fixed = _fixed(candidates, vocabulary)
    saved = open_captioner(spec.removeprefix(PREFIX), device, trust)
    model = picture_model(saved, prompt)
    said: dict[str, Plain] = {"model": saved.kind, "weights": saved.weights, "files": saved.files, "prompt": prompt}
    said["device"] = saved.device.type
    asked = _Prior(prior)
    if prior.startswith(LM):
        language = open_language_model(prior.removeprefix(LM).removeprefix(PREFIX), device, trust)
        asked = _Prior(prior, CausalPrior(language))
        said |= {"language_model": language.kind, "language_weights": language.weights, "language_files": language.files}
    with hushed() as transformers:
        said["transformers"] = str(transformers.__version__)
    return VisionLanguageDescriber(spec, model, asked, view, fixed, said)


def _fixed(candidates: str, vocabulary: Sequence[str]) -> tuple[str, ...] | None:
    if candidates == CAPTIONER:
        return None
    if candidates == VOCABULARY:
        names = concept_phrases(vocabulary)
        if not names:
            raise UsageError("--candidates vocabulary: the data set names no concept. Give a file of phrases, or captioner.")
        return names
    return read_phrases(Path(candidates).expanduser())
