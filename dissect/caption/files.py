"""A captioner on disk: its tensors as safetensors, and a JSON card with all that they mean nothing without.

    NAME.json           vocabulary, sizes, feature recipe, decoding, training facts, SHA-256 of the tensors
    NAME.safetensors    decoder.*, and language.* where there is a language model

The tensors are written first and the card last, so that a card never names tensors that are not there whole. Nothing in either file is
run. Sizes are compared with the tensors before anything is allocated.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from torch import nn

from dissect import atomic
from dissect.caption.decoder import CaptionDecoder, DecoderSizes
from dissect.caption.features import FeatureRecipe
from dissect.caption.language import LanguageSizes, LstmLanguageModel
from dissect.caption.tokens import Vocabulary
from dissect.errors import CheckpointError, DissectError, NotFoundError, UsageError
from dissect.fingerprint import Plain
from dissect.network.checkpoint import read_checkpoint
from dissect.network.fit import compare, refuse_unfinite

FORMAT, VERSION = "dissect captioner", 1
LARGEST_CARD = 64 << 20
"""Bytes of a card; a vocabulary of a million words has fewer."""
_KEYS = {"format", "version", "weights", "sha256", "vocabulary", "decoder", "language_model", "features", "length", "weight", "facts"}

Module = TypeVar("Module", bound=nn.Module)
Sizes = TypeVar("Sizes", DecoderSizes, LanguageSizes)


@dataclass(frozen=True)
class SavedCaptioner:
    """A captioner with all that describing units needs. length, weight: words at most and lambda, as chosen for it. facts: what it was
    trained on and how well it does, plain data for people. sha256: of the tensors' file, where it was read from one."""

    decoder: CaptionDecoder
    language_model: LstmLanguageModel | None
    recipe: FeatureRecipe
    length: int = 15
    weight: float = 0.2
    facts: Mapping[str, Plain] = field(default_factory=dict)
    sha256: str = field(default="", compare=False)


def save_captioner(card: Path, saved: SavedCaptioner, dtype: torch.dtype = torch.float32) -> str:
    """Write a captioner to `card` (NAME.json) and the safetensors file beside it. dtype: float32, or float16 for half the size.

    Returns the SHA-256 of the tensors' file.

    Raises:
        UsageError: the name has no .json, or another dtype. StorageError: the operating system refused.
    """
    if card.suffix != ".json" or dtype not in (torch.float32, torch.float16):
        raise UsageError(f"{card} in {dtype}: a captioner's card is named NAME.json, and its tensors are float32 or float16.")
    parts: dict[str, nn.Module | None] = {"decoder": saved.decoder, "language": saved.language_model}
    tensors = {
        f"{name}.{key}": value.detach().cpu().to(dtype).contiguous()
        for name, module in parts.items()
        for key, value in (module.state_dict().items() if module else ())
    }
    weights = card.with_suffix(".safetensors")
    sha256 = atomic.write_bytes(weights, safetensors.torch.save(tensors))
    atomic.write_text(card, json.dumps(_card(saved, weights.name, sha256), indent=1, allow_nan=False) + "\n")
    return sha256


def _card(saved: SavedCaptioner, weights: str, sha256: str) -> dict[str, object]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "weights": weights,
        "sha256": sha256,
        "length": saved.length,
        "weight": saved.weight,
        "features": saved.recipe.plain(),
        "decoder": saved.decoder.sizes.plain(),
        "language_model": saved.language_model.sizes.plain() if saved.language_model else None,
        "facts": dict(saved.facts),
        "vocabulary": saved.decoder.vocabulary.plain(),
    }


def read_captioner(card: Path) -> SavedCaptioner:
    """The captioner of a card, in evaluation mode on the CPU.

    Raises:
        NotFoundError: a file is not there.
        CheckpointError: a file is damaged, of a later version, or the two do not belong together.
    """
    plain = _read_card(card)
    try:
        vocabulary = Vocabulary.from_plain(plain["vocabulary"])
        recipe = FeatureRecipe.from_plain(plain["features"])
        sizes = sizes_of(DecoderSizes, plain["decoder"])
        language = None if plain["language_model"] is None else sizes_of(LanguageSizes, plain["language_model"])
    except DissectError as error:
        raise CheckpointError(f"{card}: {error}") from error
    weights = card.parent / Path(str(plain["weights"])).name
    if not weights.is_file():
        raise NotFoundError(f"{card} names its tensors {weights.name}, which are not beside it. Copy both files.")
    if atomic.sha256_file(weights) != plain["sha256"]:
        raise CheckpointError(f"{weights} is not the file that {card.name} was written with: its SHA-256 differs. Copy both files again.")
    tensors = read_checkpoint(weights).tensors
    return SavedCaptioner(
        filled(lambda: CaptionDecoder(vocabulary, sizes), _under(tensors, "decoder."), str(weights)),
        filled(lambda: LstmLanguageModel(vocabulary, language), _under(tensors, "language."), str(weights)) if language else None,
        recipe,
        plain["length"],
        float(plain["weight"]),
        plain["facts"],
        plain["sha256"],
    )


def _read_card(card: Path) -> dict[str, Any]:
    if not card.is_file():
        raise NotFoundError(f"there is no captioner card {card}. Check its name, or make one with: dissect captioner train.")
    if card.stat().st_size > LARGEST_CARD:
        raise CheckpointError(f"{card} has {card.stat().st_size:,} bytes: no captioner's card is that large. Name the JSON file.")
    try:
        plain = json.loads(card.read_bytes())
    except (ValueError, RecursionError, OSError) as error:
        raise CheckpointError(f"{card} cannot be read as JSON ({error}). Copy or train it again.") from error
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise CheckpointError(f"{card} is no captioner's card: its format is not {FORMAT!r}. Name the JSON file of a captioner.")
    if plain.get("version") != VERSION:
        raise CheckpointError(f"{card} is of version {plain.get('version')!r}, and this program reads {VERSION}. Update dissect.")
    if missing := sorted(_KEYS - set(plain)):
        raise CheckpointError(f"{card} lacks {', '.join(missing)}. Copy or train it again.")
    length, weight = plain["length"], plain["weight"]
    if not (type(length) is int and length > 0 and type(weight) in (int, float) and isinstance(plain["facts"], dict)):
        raise CheckpointError(f"{card}: length is a number of words, weight a number, facts a table. Copy or train it again.")
    return plain


def sizes_of(kind: type[Sizes], plain: object) -> Sizes:
    """Sizes from plain data.

    Raises:
        UsageError: a size is missing, left over, or no number of its kind.
    """
    fields = {entry.name: int if entry.type == "int" else float for entry in dataclasses.fields(kind)}
    if not isinstance(plain, Mapping) or set(plain) != set(fields):
        raise UsageError(f"sizes need exactly {', '.join(fields)}.")
    for name, number in fields.items():
        if isinstance(plain[name], bool) or not isinstance(plain[name], int if number is int else int | float):
            raise UsageError(f"the size {name} is {plain[name]!r}, not a number of its kind.")
    return kind(**plain)


def filled(build: Callable[[], Module], tensors: Mapping[str, torch.Tensor], path: str) -> Module:
    """A module with these tensors as its own, float32, in evaluation mode. It is built without memory first and compared.

    Raises:
        CheckpointError: a tensor is missing, left over, of another shape, or holds NaN or infinite values.
    """
    try:
        with torch.device("meta"):
            module = build()
    except (RuntimeError, TypeError, OverflowError) as error:  # sizes beyond what a tensor can have
        raise CheckpointError(f"{path}: no module has the sizes that stand beside it ({' '.join(str(error).split())[:120]}).") from error
    report = compare(module.state_dict(), tensors)
    if not report.whole:
        raise CheckpointError(f"{path} does not hold the tensors that its sizes need: {report.sentence()}. Copy or train it again.")
    refuse_unfinite(tensors, path)
    module.load_state_dict({name: tensor.to(torch.float32) for name, tensor in tensors.items()}, assign=True)
    return module.eval()


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
