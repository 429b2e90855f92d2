"""Which layers there are, how their outputs are read, and how they are named."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest
import torch
from torch import nn

from dissect.errors import LayerError
from dissect.network.discover import discover, matching, probe_batch
from dissect.network.forms import Reading, Surroundings, first_tensor, prefix_tokens, read_output, to_maps
from dissect.network.model import LayerInfo
from dissect.network.rules import OutputRule
from tests.network.nets import loaded

CPU = torch.device("cpu")


def names(*every: str) -> list[LayerInfo]:
    return [LayerInfo(name, 4, (2, 2), "conv") for name in every]


RESNET = names("conv1", "layer1.0.conv2", "layer1.0", "layer1", "layer4.1.conv2", "layer4.1.relu@0", "layer4.1.relu@1", "layer4", "fc")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", [layer.name for layer in RESNET]),
        ("layer*", ["layer1", "layer4"]),
        ("layer?", ["layer1", "layer4"]),
        ("*.conv2", ["layer1.0.conv2", "layer4.1.conv2"]),
        ("layer4.*", []),
        ("layer4.**", ["layer4.1.conv2", "layer4.1.relu@0", "layer4.1.relu@1"]),
        ("layer4.*.relu", ["layer4.1.relu@0", "layer4.1.relu@1"]),
        ("layer4.1.relu@1", ["layer4.1.relu@1"]),
        ("fc", ["fc"]),
        ("f.", []),
    ],
)
def test_patterns(pattern: str, expected: list[str]) -> None:
    if expected:
        assert [layer.name for layer in matching(RESNET, [pattern], {})] == expected
    else:
        with pytest.raises(LayerError, match="no layer matches"):
            matching(RESNET, [pattern], {})


def test_layers_come_once_and_in_order_of_computation() -> None:
    assert [layer.name for layer in matching(RESNET, ["fc", "layer*", "layer4"], {})] == ["layer1", "layer4", "fc"]


def test_a_wrong_name_lists_near_ones() -> None:
    with pytest.raises(LayerError, match=r"Near: .*layer4"):
        matching(RESNET, ["layer5"], {})


def read(
    shape: tuple[int, ...], around: Surroundings | None = None, rule: OutputRule | None = None, module: nn.Module | None = None
) -> Reading:
    return read_output(module or nn.Identity(), torch.zeros(shape), 2, around or Surroundings((224, 224)), rule or OutputRule())


@pytest.mark.parametrize(
    ("tokens", "prefix", "grid"),
    [(196, 0, (14, 14)), (197, 1, (14, 14)), (198, 2, (14, 14)), (201, 5, (14, 14)), (50, 1, (7, 7)), (14, 5, (3, 3)), (1, 0, (1, 1))],
)
def test_squares_settle_tokens_where_nothing_else_is_known(tokens: int, prefix: int, grid: tuple[int, int]) -> None:
    assert read((2, tokens, 8)) == Reading("tokens", 8, grid, prefix)


@pytest.mark.parametrize("tokens", [9, 3, 199, 7, 12])
def test_tokens_that_fit_two_ways_or_none_are_asked_for(tokens: int) -> None:
    with pytest.raises(LayerError, match="prefix_tokens under"):
        read((2, tokens, 8))


@hypothesis.given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 8), st.integers(0, 8))
def test_a_known_grid_and_prefix_are_always_found(rows: int, columns: int, prefix: int, own: int) -> None:
    around = Surroundings((224, 224), prefix=prefix, grids=[(rows * 2, columns * 2), (rows, columns)])
    assert read((2, rows * columns + prefix, 8), around).prefix in (prefix, 0)
    assert read((2, rows * columns, 8), Surroundings((224, 224), 0, [(rows, columns)])) == Reading("tokens", 8, (rows, columns), 0)
    rule = OutputRule(prefix_tokens=own, grid=(rows, columns))
    assert read((2, rows * columns + own, 8), around, rule) == Reading("tokens", 8, (rows, columns), own)


def test_a_grid_that_does_not_fit_is_refused() -> None:
    with pytest.raises(LayerError, match="cannot be laid out"):
        read((2, 17, 8), rule=OutputRule(prefix_tokens=3, grid=(4, 4)))


@pytest.mark.parametrize(
    ("shape", "module", "expected"),
    [
        ((2, 5), None, Reading("linear", 5, (1, 1))),
        ((2, 7, 14, 14), None, Reading("conv", 7, (14, 14))),
        ((2, 14, 14, 7), None, Reading("channels_last", 7, (14, 14))),
        ((2, 7, 7, 7), nn.Conv2d(1, 1, 1), Reading("conv", 7, (7, 7))),
        ((2, 7, 7, 7), nn.Linear(7, 7), Reading("channels_last", 7, (7, 7))),
        ((2, 7, 7, 7), nn.LayerNorm(7), Reading("channels_last", 7, (7, 7))),
        ((2, 7, 7, 7), None, Reading("conv", 7, (7, 7), tied=True)),
        ((2, 1, 1, 1), None, Reading("conv", 1, (1, 1))),
    ],
)
def test_shapes_and_kinds_settle_the_form(shape: tuple[int, ...], module: nn.Module | None, expected: Reading) -> None:
    assert read(shape, module=module) == expected


@pytest.mark.parametrize("shape", [(), (3, 4), (1, 4), (2,), (2, 3, 4, 5, 6), (2, 0)])
def test_other_shapes_cannot_be_read(shape: tuple[int, ...]) -> None:
    with pytest.raises(LayerError):
        read(shape)


def test_whole_numbers_are_no_activations() -> None:
    with pytest.raises(LayerError, match="not of real numbers"):
        read_output(nn.Identity(), torch.zeros(2, 4, dtype=torch.long), 2, Surroundings((8, 8)), OutputRule())


EVERY_FORM = [("linear", (2, 5)), ("conv", (2, 5, 3, 4)), ("channels_last", (2, 3, 4, 5)), ("tokens", (2, 14, 5))]


@pytest.mark.parametrize(("form", "shape"), EVERY_FORM)
def test_maps_hold_the_value_of_each_unit_at_each_place(form: str, shape: tuple[int, ...]) -> None:
    tensor = torch.arange(float(torch.tensor(shape).prod())).reshape(shape)
    size = (1, 1) if form == "linear" else (3, 4)
    maps = to_maps(tensor, LayerInfo("x", 5, size, form, 2 if form == "tokens" else 0))  # type: ignore[arg-type]
    for b in range(2):
        for u in range(5):
            for y in range(size[0]):
                for x in range(size[1]):
                    places = {"linear": (b, u), "conv": (b, u, y, x), "channels_last": (b, y, x, u), "tokens": (b, 2 + y * 4 + x, u)}
                    assert maps[b, u, y, x] == tensor[places[form]]


@pytest.mark.parametrize(("shape", "form"), [((2, 5, 4, 4), "conv"), ((2, 5), "conv"), ((2, 15, 5), "tokens"), ((2, 6), "linear")])
def test_another_shape_than_at_loading_is_refused(shape: tuple[int, ...], form: str) -> None:
    with pytest.raises(LayerError, match="when the network was loaded"):
        to_maps(torch.zeros(shape), LayerInfo("x", 5, (3, 4), form, 2 if form == "tokens" else 0))  # type: ignore[arg-type]


def test_prefix_tokens_are_counted_from_parameters() -> None:
    network = nn.Module()
    assert prefix_tokens(network) == 0
    network.cls_token = nn.Parameter(torch.zeros(1, 1, 8))
    network.register_tokens = nn.Parameter(torch.zeros(1, 4, 8))
    network.class_embedding = nn.Parameter(torch.zeros(8))
    network.position_embedding = nn.Parameter(torch.zeros(1, 50, 8))
    assert prefix_tokens(network) == 6


@pytest.mark.parametrize(("arguments", "prefix"), [({}, 0), ({"named": 1}, 1), ({"named": 5}, 5), ({"extra": 1}, 1)])
def test_a_transformers_tokens_become_its_patch_grid(arguments: dict[str, int], prefix: int) -> None:
    (layer,) = loaded("patches", (32, 64), arguments=arguments).layers(["mix"])
    assert (layer.form, layer.prefix, layer.map_size) == ("tokens", prefix, (4, 8))


def test_extra_tokens_nobody_knows_of_must_be_said() -> None:
    with pytest.raises(LayerError, match=r"mix cannot be read as units.*prefix_tokens under"):
        loaded("patches", (32, 64), arguments={"extra": 3}).layers(["mix"])
    (layer,) = loaded("patches", (32, 64), arguments={"extra": 3}, prefix_tokens=3).layers(["mix"])
    assert (layer.prefix, layer.map_size) == (3, (4, 8))


class Turned(nn.Module):
    """Turns maps of 8 channels, 8 x 8, to channels-last and back; its shapes say nothing about which is which."""

    class Turn(nn.Module):
        def __init__(self, *axes: int) -> None:
            super().__init__()
            self.axes = axes

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.permute(self.axes)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.last = Turned.Turn(0, 2, 3, 1)
        self.first = Turned.Turn(0, 3, 1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(self.last(self.conv(x)))  # type: ignore[no-any-return]


def test_maps_as_wide_as_they_have_channels_are_settled_by_watching() -> None:
    torch.manual_seed(0)
    found = discover(Turned().eval(), (8, 8), CPU, {})
    assert {layer.name: layer.form for layer in found.layers} == {"conv": "conv", "last": "channels_last", "first": "conv"}


def test_maps_that_nothing_settles_are_not_guessed() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mean = Turned.Turn(0, 1, 2, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.mean(torch.ones(len(x), 8, 8, 8))  # type: ignore[no-any-return]

    found = discover(Flat(), (8, 8), CPU, {})
    assert found.layers == () and "channels may be first or last" in found.unreadable["mean"]
    told = discover(Flat(), (8, 8), CPU, {"mean": OutputRule(form="channels_last")})
    assert [layer.form for layer in told.layers] == ["channels_last"]


def test_only_layers_that_are_certainly_rectified_count_as_unsigned() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.Sigmoid(), nn.LeakyReLU(), nn.ReLU6())
    signed = {layer.name: layer.signed for layer in discover(network, (8, 8), CPU, {}).layers}
    assert signed["0"] and not signed["1"] and signed["2"] and signed["3"]


def test_dropout_and_flatten_are_no_layers() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(), nn.Flatten(), nn.Linear(144, 2)).eval()
    found = discover(network, (8, 8), CPU, {})
    assert [layer.name for layer in found.layers] == ["0", "3"] and set(found.unreadable) == {"1", "2"}


def test_the_probe_batch_is_always_the_same_and_of_both_signs() -> None:
    batch = probe_batch((8, 8), CPU)
    assert torch.equal(batch, probe_batch((8, 8), CPU)) and torch.equal(batch[0], -batch[1])


def test_the_first_tensor_is_found_at_any_depth() -> None:
    tensor = torch.zeros(1)
    assert first_tensor((None, [{"a": 5, "b": (tensor,)}])) is tensor
    assert first_tensor({"a": 1}) is None and first_tensor("text") is None
