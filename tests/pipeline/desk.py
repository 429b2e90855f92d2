"""A home with a run of the planted network, and what one does at it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dissect.config import Config
from dissect.pipeline.caption import caption_run
from dissect.pipeline.caption_request import CaptionOutcome, CaptionRequest
from dissect.pipeline.compose import ComposeOutcome, ComposeRequest, compose_run
from dissect.pipeline.request import RunRequest
from dissect.pipeline.run import RunOutcome, run_request
from dissect.pipeline.verify import VerifyOutcome, verify_run
from dissect.pipeline.verify_request import VerifyRequest
from dissect.probe.progress import Quiet
from dissect.store import LabelView, Store
from tests.pipeline.planted import QUANTILE, SIZE
from tests.store.every_table import Contents, contents

TIMES = {"created_at", "updated_at", "finished_at", "started_at", "lease_until", "lease_owner", "lease_token", "used_at", "done_at"}


@dataclass
class Desk:
    """A home with a store and a cache, and the request of its run."""

    home: Path
    request: RunRequest
    store: Store
    config: Config

    def run(self, **changes: object) -> RunOutcome:
        """The request with changes."""
        return run_request(dataclasses.replace(self.request, **changes), self.config, self.store, Quiet())  # type: ignore[arg-type]

    def compose(self, reference: str | int = "latest", **settings: Any) -> ComposeOutcome:
        """Formulas of a run."""
        return compose_run(self.store, self.config, reference, ComposeRequest(**settings), Quiet())

    def caption(self, reference: str | int = "latest", **settings: Any) -> CaptionOutcome:
        """Descriptions of a run."""
        return caption_run(self.store, self.config, reference, CaptionRequest(**settings), Quiet())

    def verify(self, reference: str | int = "latest", **settings: Any) -> VerifyOutcome:
        """Tests of a run's labels."""
        return verify_run(self.store, self.config, reference, VerifyRequest(**settings), Quiet())

    def labels(self, layer: str, unit: int, method: str = "compositional") -> list[LabelView]:
        """A unit's labels by one method."""
        return [label for label in self.store.unit("planted", layer, unit).labels if label.method == method]

    def rows(self) -> Contents:
        """Every row, times and leases aside."""
        return {
            table: [{name: value for name, value in row.items() if name not in TIMES} for row in rows]
            for table, rows in contents(self.store.engine).items()
        }


def opened(work: Path, home: Path) -> Iterator[Desk]:
    """A desk for as long as it is used."""
    config = Config(home=home, database_url=f"sqlite:///{home / 'dissect.db'}")
    request = RunRequest(str(work / "planted-net.toml"), str(work / "set" / "planted.toml"), label_size=SIZE, quantile=QUANTILE)
    with Store.open(config.database_url) as store:
        yield Desk(home, request, store, config)
