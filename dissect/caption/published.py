"""Reader of the published MILAN checkpoints: a torch file of nested properties, and one state dict for all of it.

    properties    indexer > vocab > tokens; encoder > config; lm; embedding_size, hidden_size, attention_hidden_size, dropout, length,
                  strategy, temperature (lambda), beam_size
    children      encoder: the kind of encoder
    state_dict    own tensors, encoder.*, lm.*; or the language model's beside its own properties

Each nested part is a table of `properties` and `children`, a part's own `state_dict` being allowed. Start, stop, pad and unknown stand
behind the words. The tokeniser in it is spaCy's (a table and bytes): it is not read, so texts given to the captioner are cut by ours.
Facts from https://github.com/evandez/neuron-descriptions (src/milan/decoders.py, lms.py, encoders.py, src/utils/serialize.py, lang.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from dissect.caption.decoder import CaptionDecoder, DecoderSizes
from dissect.caption.features import RECIPES
from dissect.caption.files import SavedCaptioner, filled, sizes_of
from dissect.caption.language import LanguageSizes, LstmLanguageModel
from dissect.caption.tokens import PAD, START, STOP, UNKNOWN, Vocabulary
from dissect.errors import CheckpointError, DissectError
from dissect.network.checkpoint import read_tree

CONFIG_TABLES = ("thinc.config.Config", "confection.Config")
"""Dict classes in which spaCy keeps a tokeniser's settings; read as plain tables."""
ENCODER = "PyramidConvEncoder"
_DECODER_NAMES = {
    "init_h.0.": "first_hidden.",
    "init_c.0.": "first_cell.",
    "embedding.": "embedding.",
    "attend.query_to_hidden.": "query.",
    "attend.key_to_hidden.": "key.",
    "attend.output.0.": "energy.",
    "feature_gate.0.": "gate.",
    "lstm.": "cell.",
    "output.1.": "output.",
}
_LANGUAGE_NAMES = {"embedding.": "embedding.", "lstm.": "lstm.", "output.0.": "output."}
_ENCODER_PREFIXES = ("encoder.model.", "encoder.")


@dataclass(frozen=True)
class Published:
    """captioner: the decoder, the language model if there is one, the feature recipe, length and lambda. encoder: tensors of the vision
    network under their own names (those of torchvision), to be loaded into the recipe's network; empty if the file has none.
    strategy, beam: what the file says of decoding. notes: what a user should know."""

    captioner: SavedCaptioner
    encoder: Mapping[str, torch.Tensor] = field(repr=False)
    strategy: str
    beam: int
    notes: tuple[str, ...] = ()


def read_published(path: Path, trust: bool = False) -> Published:
    """A published captioner. trust: let the pickle run code if the safe way refuses it (see `read_checkpoint`).

    Raises:
        NotFoundError: there is no such file.
        CheckpointError: it cannot be read safely, is no file of that kind, or its parts do not belong together.
    """
    value, notes = read_tree(path, trust, CONFIG_TABLES)
    try:
        return _published(path, value, notes)
    except CheckpointError:
        raise
    except DissectError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _published(path: Path, value: object, notes: tuple[str, ...]) -> Published:
    part = _Part(path, "the file", value)
    tensors = part.tensors
    vocabulary, said = _vocabulary(part)
    encoder = part.child("encoder")
    kind, config = part.children.get("encoder"), encoder.need("config", str)
    if kind != ENCODER or config not in RECIPES:
        raise CheckpointError(
            f"{path}: its encoder is a {kind} of {config!r}. Only a {ENCODER} of {', '.join(list(RECIPES)[:4])} can be read."
        )
    recipe = RECIPES[config]
    sizes = sizes_of(DecoderSizes, {**part.sizes("embedding", "hidden"), "features": sum(recipe.units), **part.attention()})
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith(("encoder.", "lm."))}
    decoder = filled(lambda: CaptionDecoder(vocabulary, sizes), _renamed(own, _DECODER_NAMES), str(path))
    captioner = SavedCaptioner(
        decoder, _language(part, vocabulary), recipe, part.need("length", int), float(part.need("temperature", float)), {"source": "MILAN"}
    )
    inside = {**encoder.tensors, **_under(tensors, "encoder.")}
    return Published(captioner, _network(inside), part.need("strategy", str), part.need("beam_size", int), (*notes, *said))


def _vocabulary(part: _Part) -> tuple[Vocabulary, tuple[str, ...]]:
    indexer = part.child("indexer")
    tokens = indexer.child("vocab").need("tokens", (tuple, list))
    notes = ["its spaCy tokeniser is not read: texts given to this captioner are cut by dissect's"]
    if "tokenize" in indexer.properties:
        settings = indexer.child("tokenize").properties
        notes += [f"its texts were made with {name}" for name in ("lemmatize", "ignore_stop", "ignore_punct") if settings.get(name) is True]
    return Vocabulary.from_plain([*tokens, START, STOP, PAD, UNKNOWN]), tuple(notes)


def _language(part: _Part, vocabulary: Vocabulary) -> LstmLanguageModel | None:
    if part.properties.get("lm") is None:
        return None
    lm = part.child("lm")
    own, _ = _vocabulary(lm)
    if set(own.tokens) != set(vocabulary.tokens):
        raise CheckpointError(f"{part.path}: the language model has another vocabulary ({len(own)} and {len(vocabulary)} tokens).")
    plain = {**lm.sizes("embedding", "hidden"), "layers": lm.need("layers", int)}
    sizes = sizes_of(LanguageSizes, plain)
    tensors = _renamed({**lm.tensors, **_under(part.tensors, "lm.")}, _LANGUAGE_NAMES)
    model = filled(lambda: LstmLanguageModel(own, sizes), tensors, str(part.path))
    return model if own == vocabulary else _reordered(model, own, vocabulary)


def _reordered(model: LstmLanguageModel, own: Vocabulary, wanted: Vocabulary) -> LstmLanguageModel:
    """The same model with its tokens numbered as the decoder's."""
    number = {token: place for place, token in enumerate(own.tokens)}
    order = torch.tensor([number[token] for token in wanted.tokens])
    tensors = dict(model.state_dict())
    for name in ("embedding.weight", "output.weight", "output.bias"):
        tensors[name] = tensors[name][order]
    return filled(lambda: LstmLanguageModel(wanted, model.sizes), tensors, "the language model")


@dataclass(frozen=True)
class _Part:
    """One table of properties and children. where: its name for messages."""

    path: Path
    where: str
    value: object

    @property
    def properties(self) -> Mapping[str, Any]:
        return self._table("properties")

    @property
    def children(self) -> Mapping[str, Any]:
        return self._table("children")

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """Of its state dict, by name; none if it has none."""
        state = self.value.get("state_dict", {}) if isinstance(self.value, Mapping) else {}
        if not isinstance(state, Mapping):
            raise self._fault("its state_dict is no table")
        odd = next((name for name, tensor in state.items() if not (isinstance(name, str) and isinstance(tensor, torch.Tensor))), None)
        if odd is not None:
            raise self._fault(f"its state_dict holds {odd!r}, which is no named tensor")
        return {name: tensor.detach() for name, tensor in state.items()}

    def child(self, name: str) -> _Part:
        """A nested part."""
        return _Part(self.path, f"{name} of {self.where}", self.need(name, Mapping))

    def need(self, name: str, kind: Any) -> Any:
        """A property of a kind. A whole number serves as a float."""
        found = self.properties.get(name)
        wanted = (int, float) if kind is float else kind
        if not isinstance(found, wanted) or isinstance(found, bool):
            raise self._fault(f"its property {name} is {'missing' if found is None else f'a {type(found).__name__}'}")
        return found

    def sizes(self, *names: str) -> dict[str, int | float]:
        """embedding, hidden (as NAME_size) and dropout."""
        return {**{name: self.need(f"{name}_size", int) for name in names}, "dropout": self.need("dropout", float)}

    def attention(self) -> dict[str, int]:
        """Width of the attention's hidden layer, 0 for the usual one."""
        return {"attention": 0 if self.properties.get("attention_hidden_size") is None else self.need("attention_hidden_size", int)}

    def _table(self, name: str) -> Mapping[str, Any]:
        found = self.value.get(name) if isinstance(self.value, Mapping) else None
        if not isinstance(found, Mapping):
            raise self._fault(f"it has no table of {name}")
        return found

    def _fault(self, what: str) -> CheckpointError:
        return CheckpointError(f"{self.path} is no published captioner: {self.where}: {what}. Fetch it again from the MILAN project.")


def _renamed(tensors: Mapping[str, torch.Tensor], names: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """Tensors under our names; those without one keep theirs, and are then refused as left over."""
    renamed = {}
    for name, tensor in tensors.items():
        prefix = next((each for each in names if name.startswith(each)), "")
        renamed[names.get(prefix, "") + name.removeprefix(prefix)] = tensor
    return renamed


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _network(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The vision network's tensors; the means and deviations of the input are known and left out."""
    return {
        name.removeprefix(next((prefix for prefix in _ENCODER_PREFIXES if name.startswith(prefix)), "")): tensor
        for name, tensor in tensors.items()
        if name not in ("mean", "std")
    }
