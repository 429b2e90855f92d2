"""A small captioner of the planted network: it saw the network's own units, so that what it says of them is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dissect.caption.decoder import DecoderSizes
from dissect.caption.features import FeatureRecipe, Keys
from dissect.caption.files import SavedCaptioner, save_captioner
from dissect.caption.language import LanguageSizes
from dissect.caption.milannotations import read_layer
from dissect.caption.tokens import Vocabulary
from dissect.caption.trained import exemplar_keys
from dissect.caption.training import LANGUAGE, Training, train_captioner, train_language_model
from dissect.pipeline.caption_exemplars import Wanted, exemplar_set, layer_exemplars, pictures_of
from dissect.pipeline.caption_folder import exemplars_of
from dissect.pipeline.spec import probe_again
from dissect.probe.progress import Quiet
from tests.pipeline.desk import Desk

SAID: Mapping[tuple[str, int], tuple[str, ...]] = {
    ("first", 0): ("red squares", "squares that are red"),
    ("first", 1): ("blue squares", "squares that are blue"),
    ("first", 2): ("red and green squares", "squares that are red or green"),
    ("first", 3): ("red squares", "squares that are red"),
    ("second", 0): ("red and green squares", "squares that are red or green"),
    ("second", 1): ("blue squares", "squares that are blue"),
}
"""What two people would say of each unit that ever fires."""
SIZES = DecoderSizes(7, 12, 24, dropout=0.0)
WORLD = "coloured squares"


def write_captioner(desk: Desk, card: Path, folder: Path | None = None) -> Path:
    """Train a captioner on the exemplars of the desk's run, or on those written to a folder, and write it."""
    recipe = FeatureRecipe("planted", desk.request.model, ("first", "second"), (5, 2))
    probed = probe_again(desk.store, desk.config, "latest", Quiet(), 1)
    words = Vocabulary.from_texts([text for texts in SAID.values() for text in texts])
    keys, texts = [], []
    for layer in probed.result.layers:
        best = layer_exemplars(probed, layer.layer, Wanted(3))
        assert best is not None
        own = exemplar_set(best, pictures_of(probed.records, probed.network))
        shown = own if folder is None else exemplars_of(read_layer(folder, layer.layer.name), 3)
        seen = exemplar_keys(probed.network, recipe, shown)
        for unit in range(layer.layer.units):
            if (layer.layer.name, unit) in SAID:
                keys.append((seen.values[unit], seen.present[unit]))
                texts.append(SAID[layer.layer.name, unit])
    every = np.arange(len(texts))
    how = Training(epochs=150, patience=150, rate=0.02)
    both = Keys(np.stack([values for values, _ in keys]), np.stack([present for _, present in keys]))
    decoder, _ = train_captioner(both, texts, words, SIZES, how, split=(every, every), bleu_units=0)
    how = Training(LANGUAGE.batch, epochs=40, patience=40, rate=0.02)
    model, _ = train_language_model(texts, words, LanguageSizes(8, 12), how, split=(every, every))
    save_captioner(card, SavedCaptioner(decoder, model, recipe, 6, 0.2, {"world": WORLD}))
    return card
