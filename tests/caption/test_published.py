"""The published checkpoint files: a fixture of their structure, made with a class of spaCy's settings, and broken ones."""

from __future__ import annotations

import copy
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dissect.caption.decoding import Decoding, describe
from dissect.caption.features import Keys
from dissect.caption.published import read_published
from dissect.caption.scores import text_log_p
from dissect.errors import CheckpointError, NotFoundError

TOKENS = ("the", "dogs", "of", "sky", "red")
V, H, E, A, F = len(TOKENS) + 4, 6, 5, 6, 3904


class Original(nn.Module):
    """The published modules under their published names, with what they compute written from the paper."""

    def __init__(self, lm: bool) -> None:
        super().__init__()
        self.init_h = nn.Sequential(nn.Linear(F, H), nn.Tanh())
        self.init_c = nn.Sequential(nn.Linear(F, H), nn.Tanh())
        self.embedding = nn.Embedding(V, E)
        self.attend = nn.ModuleDict(
            {
                "query_to_hidden": nn.Linear(H, A),
                "key_to_hidden": nn.Linear(F, A),
                "output": nn.Sequential(nn.Linear(A, 1), nn.Softmax(dim=1)),
            }
        )
        self.feature_gate = nn.Sequential(nn.Linear(H, F), nn.Sigmoid())
        self.lstm = nn.LSTMCell(E + F, H)
        self.output = nn.Sequential(nn.Dropout(0.5), nn.Linear(H, V), nn.LogSoftmax(dim=-1))
        self.encoder = nn.Module()
        self.encoder.register_buffer("mean", torch.zeros(1, 3, 1, 1))
        self.encoder.encoder = nn.Module()
        self.encoder.encoder.model = nn.Module()
        self.encoder.encoder.model.conv1 = nn.Conv2d(3, 4, 3)
        self.lm = Words() if lm else None

    def log_p(self, keys: torch.Tensor, tokens: list[int]) -> float:
        """log p(d | E) of one unit's keys (1, k, F), stop included."""
        h, c = self.init_h(keys.mean(dim=1)), self.init_c(keys.mean(dim=1))
        total, last = 0.0, V - 4
        for token in [*tokens, V - 3]:
            hidden = torch.tanh(self.attend["query_to_hidden"](h)[:, None] + self.attend["key_to_hidden"](keys))
            context = (self.attend["output"](hidden) * keys).sum(dim=1) * self.feature_gate(h)
            h, c = self.lstm(torch.cat([self.embedding(torch.tensor([last])), context], dim=1), (h, c))
            total += self.output(h)[0, token].item()
            last = token
        return total


class Words(nn.Module):
    """The published language model under its names."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(V, E, padding_idx=V - 2)
        self.lstm = nn.LSTM(E, H, 2, dropout=0.5, batch_first=True)
        self.output = nn.Sequential(nn.Linear(H, V), nn.LogSoftmax(dim=-1))

    def log_p(self, tokens: list[int]) -> float:
        rows = torch.tensor([[V - 4, *tokens, V - 3]])
        hidden, _ = self.lstm(self.embedding(rows[:, :-1]))
        return float(sum(self.output(hidden)[0, place, token].item() for place, token in enumerate(rows[0, 1:].tolist())))


@pytest.fixture
def settings() -> Iterator[Callable[[dict[str, Any]], Any]]:
    """The class of spaCy's settings, there while a file is made and gone when it is read."""
    module = types.ModuleType("thinc.config")

    class Config(dict[str, Any]):
        def __init__(self, values: dict[str, Any]) -> None:
            super().__init__(values)
            self.is_interpolated = True

    Config.__module__, Config.__qualname__ = "thinc.config", "Config"
    module.Config = Config  # type: ignore[attr-defined]
    sys.modules["thinc"], sys.modules["thinc.config"] = types.ModuleType("thinc"), module
    yield Config
    sys.modules.pop("thinc", None)
    sys.modules.pop("thinc.config", None)


def part(children: dict[str, str] | None = None, **properties: Any) -> dict[str, Any]:
    return {"properties": properties, "children": children or {}}


def indexer(tokens: tuple[str, ...], nlp: Any) -> dict[str, Any]:
    tokenize = part(nlp=nlp, lemmatize=False, lowercase=True, ignore_stop=False, ignore_punct=False)
    return part(vocab=part(tokens=tokens), tokenize=tokenize, start=True, stop=True, pad=True, unk=True, length=None)


def structure(model: Original, nlp: Any, lm_tokens: tuple[str, ...] = TOKENS) -> dict[str, Any]:
    """The nested tables of a file."""
    lm = part(indexer=indexer(lm_tokens, nlp), embedding_size=E, hidden_size=H, layers=2, dropout=0.5)
    properties = part(
        {"encoder": "PyramidConvEncoder"},
        indexer=indexer(TOKENS, nlp), encoder=part(config="resnet101", pretrained=True), lm=lm if model.lm is not None else None,
        embedding_size=E, hidden_size=H, attention_hidden_size=None, dropout=0.5, length=15, strategy="rerank", temperature=0.2,
        beam_size=50,
    )  # fmt: skip
    return {**properties, "state_dict": model.state_dict()}


def forgotten() -> None:
    for name in ("thinc", "thinc.config"):
        sys.modules.pop(name, None)


def keys(units: int = 3) -> Keys:
    values = np.random.default_rng(0).random((units, 4, F)).astype(np.float32)
    return Keys(values, np.ones((units, 4), bool))


def original(lm: bool = True) -> Original:
    torch.manual_seed(0)
    return Original(lm).eval()


@pytest.mark.parametrize("lm", [True, False])
def test_a_published_file_is_read_and_computes_the_same(lm: bool, settings: Callable[..., Any], tmp_path: Path) -> None:
    model = original(lm)
    torch.save(structure(model, (settings({"nlp": {"lang": "en"}}), b"spacy")), tmp_path / "milan.pth")
    forgotten()
    found = read_published(tmp_path / "milan.pth")
    captioner = found.captioner
    words = captioner.decoder.vocabulary
    assert words.tokens == (*TOKENS, "<start>", "<stop>", "<pad>", "<unk>")
    assert (captioner.recipe.name, captioner.length, captioner.weight) == ("resnet101", 15, 0.2)
    assert (found.strategy, found.beam) == ("rerank", 50) and "spaCy" in found.notes[0]
    assert list(found.encoder) == ["conv1.weight", "conv1.bias"]
    strategy = "rerank" if lm else "beam"
    for unit, several in enumerate(describe(captioner.decoder.over(keys()), captioner.language_model, Decoding(strategy, 4, 10))):  # type: ignore[arg-type]
        for d in several:
            assert d.log_p_given == pytest.approx(model.log_p(torch.from_numpy(keys().values[unit : unit + 1]), list(d.tokens)), abs=1e-4)
            if model.lm is not None:
                assert d.log_p == pytest.approx(model.lm.log_p(list(d.tokens)), abs=1e-4)


def test_a_language_model_that_numbers_its_words_otherwise_is_renumbered(tmp_path: Path) -> None:
    model = original()
    assert model.lm is not None
    torch.save(structure(model, None, TOKENS[::-1]), tmp_path / "milan.pth")
    read = read_published(tmp_path / "milan.pth").captioner.language_model
    assert read is not None and read.vocabulary.tokens[:5] == TOKENS
    assert float(text_log_p(read, ["red dogs"])) == pytest.approx(model.lm.log_p([0, 3]), abs=1e-5)


def test_tensors_may_stand_with_their_own_parts(tmp_path: Path) -> None:
    model = original()
    assert model.lm is not None
    plain = structure(model, None)
    plain["state_dict"] = {name: tensor for name, tensor in plain["state_dict"].items() if not name.startswith(("lm.", "encoder."))}
    plain["properties"]["lm"]["state_dict"] = model.lm.state_dict()
    torch.save(plain, tmp_path / "milan.pth")
    found = read_published(tmp_path / "milan.pth")
    assert found.captioner.language_model is not None and found.encoder == {}


def at(*place: str, value: Any = ...) -> Callable[[dict[str, Any]], None]:
    """Set what is nested there, or take it out."""

    def do(plain: dict[str, Any]) -> None:
        for name in place[:-1]:
            plain = plain[name]
        if value is ...:
            del plain[place[-1]]
        else:
            plain[place[-1]] = value

    return do


LM_WORDS = ("properties", "lm", "properties", "indexer", "properties", "vocab", "properties", "tokens")
BROKEN: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (at("properties"), "the file: it has no table of properties"),
    (at("children"), "the file: it has no table of children"),
    (at("children", "encoder", value="SpatialConvEncoder"), "its encoder is a SpatialConvEncoder"),
    (at("properties", "encoder", "properties", "config", value="vgg"), "of 'vgg'"),
    (at("properties", "encoder", value=None), "its property encoder is missing"),
    (at("properties", "indexer"), "its property indexer is missing"),
    (at("properties", "indexer", "properties", "vocab", value=3), "indexer of the file: its property vocab is a int"),
    (at("properties", "indexer", "properties", "vocab", "properties", "tokens", value=("a", "a")), "'a' twice"),
    (at("properties", "indexer", "properties", "vocab", "properties", "tokens", value=("a",)), "of another shape|another vocabulary"),
    (at("properties", "hidden_size", value=7), "of another shape"),
    (at("properties", "hidden_size", value="6"), "its property hidden_size is a str"),
    (at("properties", "attention_hidden_size", value=9), "of another shape"),
    (at("properties", "length", value=True), "its property length is a bool"),
    (at("properties", "lm", "properties", "layers", value=3), "missing"),
    (at(*LM_WORDS, value=("x", *TOKENS[1:])), "another vocabulary"),
    (at("state_dict"), "does not hold the tensors that its sizes need"),
    (at("state_dict", value=[1]), "its state_dict is no table"),
    (at("state_dict", "output.1.bias", value=3), "'output.1.bias', which is no named tensor"),
    (at("state_dict", "output.1.bias"), "1 missing .output.bias."),
    (at("state_dict", "more", value=torch.ones(1)), "1 unexpected .more."),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_broken_files_are_refused_in_words(change: Callable[[dict[str, Any]], None], message: str, tmp_path: Path) -> None:
    plain = copy.deepcopy(structure(original(), None))
    change(plain)
    torch.save(plain, tmp_path / "milan.pth")
    with pytest.raises(CheckpointError, match=message):
        read_published(tmp_path / "milan.pth")


class Foreign:
    """A class of nobody's."""


def test_foreign_classes_garbage_and_cut_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "milan.pth"
    torch.save(structure(original(), Foreign()), path)
    with pytest.raises(CheckpointError, match="cannot be read safely: it holds a pickled"):
        read_published(path)
    torch.save(structure(original(), None), path)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(CheckpointError, match="damaged"):
        read_published(path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="no table of properties"):
        read_published(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="is empty"):
        read_published(path)
    with pytest.raises(NotFoundError):
        read_published(tmp_path / "none.pth")
