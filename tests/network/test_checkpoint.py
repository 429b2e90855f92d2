"""Reading and fitting checkpoints: what is opened, what is refused, and in which words."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
import safetensors.torch
import torch
from torch import nn

from dissect.errors import CheckpointError, NotFoundError
from dissect.network.checkpoint import EMA_WRAPPERS, WRAPPERS, Checkpoint, read_checkpoint, read_tree
from dissect.network.fit import compare, fit


def network() -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 2, 1), norm=nn.BatchNorm2d(2), model=nn.Conv2d(2, 2, 1)))


def saved(path: Path, value: Any) -> Path:
    torch.save(value, path)
    return path


def same(tensors: Any, expected: Any) -> bool:
    return set(tensors) == set(expected) and all(torch.equal(tensors[name], expected[name]) for name in expected)


def test_safetensors_and_pickles_give_the_same_tensors(tmp_path: Path) -> None:
    state = network().state_dict()
    safetensors.torch.save_file(state, tmp_path / "a.safetensors")
    saved(tmp_path / "b.pt", state)
    torch.save(state, tmp_path / "c.th", _use_new_zipfile_serialization=False)
    for name in ("a.safetensors", "b.pt", "c.th"):
        assert same(read_checkpoint(tmp_path / name).tensors, state), name


def test_the_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    state = network().state_dict()
    safetensors.torch.save_file(state, tmp_path / "a.pth")
    assert same(read_checkpoint(tmp_path / "a.pth").tensors, state)
    assert same(read_checkpoint(saved(tmp_path / "b.safetensors", state)).tensors, state)


@pytest.mark.parametrize("wrapper", [*WRAPPERS, *EMA_WRAPPERS])
def test_wrapped_tensors_are_found_and_it_is_said(wrapper: str, tmp_path: Path) -> None:
    state = network().state_dict()
    found = read_checkpoint(saved(tmp_path / "a.pt", {"epoch": 3, wrapper: state, "optimizer": {"lr": 0.1}}))
    assert same(found.tensors, state) and any(f"'{wrapper}'" in note for note in found.notes)


def test_wrappers_within_wrappers_are_opened(tmp_path: Path) -> None:
    state = network().state_dict()
    assert same(read_checkpoint(saved(tmp_path / "a.pt", {"model": {"state_dict": dict(state)}})).tensors, state)


def test_the_averaged_copy_is_taken_only_when_asked_for(tmp_path: Path) -> None:
    state, averaged = network().state_dict(), network().state_dict()
    path = saved(tmp_path / "a.pt", {"state_dict_ema": averaged, "state_dict": state})
    plain = read_checkpoint(path)
    assert same(plain.tensors, state) and "not 'state_dict_ema'" in plain.notes[0]
    assert same(read_checkpoint(path, ema=True).tensors, averaged)
    with pytest.raises(CheckpointError, match="holds no averaged"):
        read_checkpoint(saved(tmp_path / "b.pt", {"state_dict": state}), ema=True)


def test_a_checkpoint_that_holds_itself_ends(tmp_path: Path) -> None:
    value: dict[str, Any] = {}
    value["model"] = value
    with pytest.raises(CheckpointError, match="no named tensors"):
        read_checkpoint(saved(tmp_path / "a.pt", value))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no weights file"):
        read_checkpoint(tmp_path / "none.pt")
    with pytest.raises(CheckpointError, match="is a folder"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "value", [[torch.zeros(2)], torch.zeros(2), 5, {}, {"a": 1}, {1: torch.zeros(2)}, {"state_dict": {}}, "text", None], ids=str
)
def test_what_holds_no_named_tensors_is_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a\.pt holds no named tensors"):
        read_checkpoint(saved(tmp_path / "a.pt", value))


def test_sparse_quantised_and_complex_tensors_are_refused_by_name(tmp_path: Path) -> None:
    for tensor in (torch.eye(3).to_sparse(), torch.zeros(3, dtype=torch.complex64)):
        with pytest.raises(CheckpointError, match="tensor odd is"):
            read_checkpoint(saved(tmp_path / "a.pt", {"odd": tensor}))


def test_a_pickled_module_is_refused_by_name_and_taken_when_trusted(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", network())
    with pytest.raises(CheckpointError, match=r"pickled torch\.nn\.modules\.container\.Sequential.*--trust-checkpoint"):
        read_checkpoint(path)
    found = read_checkpoint(path, trust=True)
    assert "norm.weight" in found.tensors and any("TRUSTED" in note for note in found.notes)


def test_trust_is_not_used_where_it_is_not_needed(tmp_path: Path) -> None:
    assert read_checkpoint(saved(tmp_path / "a.pt", network().state_dict()), trust=True).notes == ()


def given(tensors: Any) -> Checkpoint:
    return Checkpoint(Path("weights.pt"), tensors)


@hypothesis.settings(max_examples=40)
@hypothesis.given(st.lists(st.sampled_from(["module.", "_orig_mod.", "model.", "net."]), max_size=3))
def test_prefixes_are_cut_off_until_the_names_agree(prefixes: list[str]) -> None:
    source, target = network(), network()
    nn.init.normal_(source.get_parameter("norm.weight"))
    prefix = "".join(prefixes)
    report = fit(target, given({prefix + name: tensor for name, tensor in source.state_dict().items()}))
    assert report.whole and report.prefix == prefix
    assert same(target.state_dict(), source.state_dict())


def test_a_layer_named_like_a_prefix_is_no_prefix() -> None:
    source, target = network(), network()
    report = fit(target, given(source.state_dict()))
    assert report.prefix == "" and len(report.matched) == len(source.state_dict())


def test_counters_of_batches_may_be_missing() -> None:
    state = {name: tensor for name, tensor in network().state_dict().items() if not name.endswith("num_batches_tracked")}
    assert fit(network(), given(state)).whole


@pytest.mark.parametrize("fault", ["missing", "unexpected", "shape"])
def test_what_does_not_fit_whole_is_refused_unless_asked(fault: str) -> None:
    state = dict(network().state_dict())
    if fault == "missing":
        del state["conv.bias"]
    elif fault == "unexpected":
        state["layer1.2.conv1.weight"] = torch.zeros(2)
    else:
        state["conv.bias"] = torch.zeros(7)
    with pytest.raises(CheckpointError, match=r"weights\.pt does not fit.*--partial") as error:
        fit(network(), given(state))
    assert ("layer1.2" if fault == "unexpected" else "conv.bias") in str(error.value)
    report = fit(network(), given(state), partial=True)
    assert not report.whole and len(report.matched) == (9 if fault == "unexpected" else 8)


def test_nothing_in_common_is_refused_even_when_partial_is_asked_for() -> None:
    with pytest.raises(CheckpointError, match="fits no tensor"):
        fit(network(), given({"other": torch.zeros(2)}), partial=True)


def test_many_names_are_shortened() -> None:
    with pytest.raises(CheckpointError, match="and 35 more"):
        fit(network(), given({**network().state_dict(), **{f"extra{index}": torch.zeros(1) for index in range(40)}}))


@pytest.mark.parametrize(("value", "word"), [(float("nan"), "NaN"), (float("inf"), "infinite"), (float("-inf"), "infinite")])
def test_weights_that_are_no_numbers_are_refused_by_name(value: float, word: str) -> None:
    state = {name: tensor.clone() for name, tensor in network().state_dict().items()}
    state["norm.running_var"][1] = value
    with pytest.raises(CheckpointError, match=f"tensor norm.running_var holds {word}"):
        fit(network(), given(state))


def test_a_report_counts_in_words() -> None:
    report = compare({"a": torch.zeros(2), "b": torch.zeros(3)}, {"a": torch.zeros(2), "b": torch.zeros(4), "c": torch.zeros(1)})
    assert report.sentence() == "1 tensors match; 1 unexpected (c); 1 of another shape (b: (4,), not (3,))"


def test_half_precision_weights_are_widened() -> None:
    source, target = network(), network()
    fit(target, given({name: t.half() if t.is_floating_point() else t for name, t in source.state_dict().items()}))
    weight = target.get_parameter("conv.weight")
    assert weight.dtype == torch.float32 and torch.equal(weight, source.get_parameter("conv.weight").half().float())


class Table(dict[str, Any]):
    """A dict class of another library."""


def test_a_tree_is_read_as_it_is_nested_and_foreign_tables_only_by_name(tmp_path: Path) -> None:
    tree = {"properties": {"size": 3, "words": ("a", "b"), "config": (Table(lang="en"), b"bytes")}, "state_dict": network().state_dict()}
    path = saved(tmp_path / "a.pt", tree)
    with pytest.raises(CheckpointError, match=r"it holds a pickled .*Table"):
        read_tree(path)
    found, notes = read_tree(path, tables=(f"{Table.__module__}.Table",))
    assert isinstance(found, dict) and notes == ()
    config, data = found["properties"]["config"]
    assert type(config) is OrderedDict and config == {"lang": "en"} and data == b"bytes"
    assert found["properties"]["words"] == ("a", "b") and same(found["state_dict"], tree["state_dict"])
    with pytest.raises(CheckpointError, match="Table"):
        read_tree(path)  # the permission ends with the call


def test_a_tree_of_a_safetensors_file_is_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file(network().state_dict(), tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="holds tensors and no settings"):
        read_tree(tmp_path / "a.safetensors")
    with pytest.raises(NotFoundError):
        read_tree(tmp_path / "none.pt")
