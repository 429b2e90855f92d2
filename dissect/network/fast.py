"""The fast forward path: batch norm folded into the convolution before it, channels_last memory, and filters packed once (CPU).

Which pairs may be folded is not read from names but watched: in one pass, a convolution's output tensor must be taken by exactly one
operation, and that must be its batch norm. Folding changes what the convolution itself gives; its plain copy is kept for whoever asks
for that layer. The whole is checked against the plain path when the network is loaded, and undone if it does not agree.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from dissect.network.discover import forward, probe_batch
from dissect.network.forms import first_tensor

TOLERANCE = 1e-4
"""Largest difference from the plain path, relative to a layer's largest value, that float32 rounding is allowed to make."""
PASS = 16
"""Images for which filters are packed: those of a CPU pass. Other numbers work too, less fast."""
SAMPLED = 20_000
"""Values of each output that are compared."""


@dataclass
class FastPath:
    """What was changed, and how to change it back. `plain` holds the convolutions as they were, by their folded names.

    norms: by the same names, (scale, offset), each (U,) float64: what the folded batch norm makes of the convolution's own output.

    packed: how many convolutions keep their filters in the order that oneDNN works with, which it would else make anew in each pass.
    """

    channels_last: bool = False
    packed: int = 0
    plain: dict[str, nn.Conv2d] = field(default_factory=dict)
    norms: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    undo: list[Callable[[], None]] = field(default_factory=list)

    def revert(self, network: nn.Module) -> None:
        """Back to the plain path."""
        for step in reversed(self.undo):
            step()
        if self.channels_last:
            network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.undo, self.plain, self.norms, self.channels_last, self.packed = [], {}, {}, False, 0


def make_fast(network: nn.Module, input_size: tuple[int, int], device: torch.device) -> tuple[FastPath, list[str]]:
    """Fold, change the memory format, compare with the plain path, and undo all of it if they disagree. Also gives notes."""
    path = FastPath()
    convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    if convolutions < 2:  # transformers: one patch embedding, nothing to fold, nothing that channels_last would help
        return path, []
    batch = probe_batch(input_size, device)
    shapes: dict[str, torch.Size] = {}
    before = _outputs(network, batch, input_size, shapes)
    try:
        for name, convolution, norm in foldable(network, batch, input_size):
            _fold(network, name, convolution, norm, path)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        path.channels_last = True
        pack(network, shapes, device, path)
        after = _outputs(network, batch.to(memory_format=torch.channels_last), input_size, {})
        worst, where = _difference(before, after, set(path.plain))
    except Exception as error:  # a network that looks at its own modules may break in any way
        path.revert(network)
        return path, [f"the fast path is not used: it fails on this network ({type(error).__name__}: {str(error)[:100]})"]
    if worst > TOLERANCE:
        path.revert(network)
        return path, [f"the fast path is not used: {where} differs by {worst:.1e} from the plain one"]
    return path, []


def foldable(network: nn.Module, batch: torch.Tensor, input_size: tuple[int, int]) -> list[tuple[str, nn.Conv2d, nn.BatchNorm2d]]:
    """Pairs of a convolution and the batch norm that alone takes its output."""
    names = {id(module): name for name, module in network.named_modules()}
    watch = _Watch()
    convolutions: dict[int, nn.Conv2d] = {}
    norms: dict[int, tuple[nn.BatchNorm2d, int]] = {}
    calls: dict[int, int] = {}

    def after_convolution(module: nn.Module, _arguments: object, output: torch.Tensor) -> None:
        calls[id(module)] = calls.get(id(module), 0) + 1
        if isinstance(module, nn.Conv2d):
            convolutions[id(output)] = module
            watch.follow(output)

    def before_norm(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        calls[id(module)] = calls.get(id(module), 0) + 1
        if isinstance(module, nn.BatchNorm2d) and arguments and id(arguments[0]) in convolutions:
            norms[id(arguments[0])] = (module, watch.uses[id(arguments[0])])

    handles = []
    for module in network.modules():
        if type(module) is nn.Conv2d:
            handles.append(module.register_forward_hook(after_convolution))
        elif type(module) is nn.BatchNorm2d:
            handles.append(module.register_forward_pre_hook(before_norm))
    try:
        with watch:
            forward(network, batch, input_size)
    finally:
        for handle in handles:
            handle.remove()
    shared = _shared_parameters(network)
    pairs = []
    for key, (norm, used_before) in norms.items():
        convolution = convolutions[key]
        alone = used_before == 0 and watch.uses[key] == 1 and calls[id(convolution)] == 1 and calls[id(norm)] == 1
        if alone and _simple(convolution, norm) and not shared & {id(item) for item in (convolution.weight, norm.weight)}:
            pairs.append((names[id(convolution)], convolution, norm))
    return pairs


class _Watch(TorchFunctionMode):
    """Counts how many operations that give tensors take each followed tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.uses: dict[int, int] = {}
        self._kept: list[torch.Tensor] = []

    def follow(self, tensor: torch.Tensor) -> None:
        self.uses[id(tensor)] = 0
        self._kept.append(tensor)  # or its id would be given to another tensor

    def __torch_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if first_tensor(result) is not None:
            for item in _flat([*args, *(kwargs or {}).values()]):
                if id(item) in self.uses:
                    self.uses[id(item)] += 1
        return result


def _flat(items: Iterable[Any]) -> Iterable[Any]:
    for item in items:
        if isinstance(item, list | tuple):
            yield from _flat(item)
        else:
            yield item


def _simple(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> bool:
    hooked = any((module._forward_hooks or module._forward_pre_hooks) for module in (convolution, norm))
    parametrised = hasattr(convolution, "parametrizations") or hasattr(norm, "parametrizations")
    return not hooked and not parametrised and norm.running_mean is not None and norm.num_features == convolution.out_channels


def _shared_parameters(network: nn.Module) -> set[int]:
    seen: set[int] = set()
    twice: set[int] = set()
    for module in network.modules():
        for parameter in module.parameters(recurse=False):
            (twice if id(parameter) in seen else seen).add(id(parameter))
    return twice


def _fold(network: nn.Module, name: str, convolution: nn.Conv2d, norm: nn.BatchNorm2d, path: FastPath) -> None:
    """Scale the filters, move the bias, and let an Identity stand in for the norm under each of its names."""
    path.plain[name] = copy.deepcopy(convolution).requires_grad_(False)
    weight, bias = convolution.weight, convolution.bias
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        return
    with torch.no_grad():
        # in float64, so that folding adds one rounding and not three
        scale = torch.rsqrt(variance.double() + norm.eps) * (1.0 if norm.weight is None else norm.weight.double())
        shift = (0.0 if bias is None else bias.double()) - mean.double()
        beta = 0.0 if norm.bias is None else norm.bias.double()
        offset = shift * scale + beta
        path.norms[name] = (scale, beta - mean.double() * scale)
        convolution.weight = nn.Parameter((weight.double() * scale[:, None, None, None]).to(weight.dtype), requires_grad=False)
        convolution.bias = nn.Parameter(offset.to(weight.dtype), requires_grad=False)

    def unfold() -> None:
        convolution.weight = weight
        convolution.bias = bias

    path.undo.append(unfold)
    _replace(network, norm, nn.Identity(), path)


def _replace(network: nn.Module, old: nn.Module, new: nn.Module, path: FastPath) -> None:
    places = [(parent, name) for parent in network.modules() for name, child in parent._modules.items() if child is old]
    for parent, name in places:
        parent._modules[name] = new

    def put_back() -> None:
        for parent, name in places:
            parent._modules[name] = old

    path.undo.append(put_back)


def pack(network: nn.Module, shapes: Mapping[str, torch.Size], device: torch.device, path: FastPath) -> None:
    """Let convolutions of float32 on a CPU keep their filters packed. shapes: of each one's input in a pass, whatever the batch."""
    if device.type != "cpu" or not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):  # type: ignore[no-untyped-call]
        return
    for name, module in network.named_modules():
        if type(module) is nn.Conv2d and name in shapes and _packable(module):
            _pack(module, shapes[name])
            path.undo.append(functools.partial(module.__dict__.pop, "forward"))
            path.packed += 1


def _packable(module: nn.Conv2d) -> bool:
    plain = module.padding_mode == "zeros" and not isinstance(module.padding, str) and not hasattr(module, "parametrizations")
    return plain and module.weight.dtype == torch.float32 and "forward" not in module.__dict__


def _pack(module: nn.Conv2d, shape: torch.Size) -> None:
    """Replace the module's `forward`, not the module: hooks stay where they are."""
    rules = module.padding, module.stride, module.dilation, module.groups
    usual = type(module).forward.__get__(module)
    weight, bias = module.weight, None if module.bias is None else module.bias.detach()
    with torch.no_grad():
        filters = torch.ops.mkldnn._reorder_convolution_weight(weight.detach(), *rules, [PASS, *shape[1:]])

    def forward(batch: torch.Tensor) -> torch.Tensor:
        fits = batch.dtype == torch.float32 and batch.dim() == 4 and module.weight is weight and not torch.is_grad_enabled()
        result: torch.Tensor = (
            torch.ops.mkldnn._convolution_pointwise(batch, filters, bias, *rules, "none", [], "") if fits else usual(batch)
        )
        return result

    module.__dict__["forward"] = forward


def _outputs(
    network: nn.Module, batch: torch.Tensor, input_size: tuple[int, int], shapes: dict[str, torch.Size]
) -> dict[str, torch.Tensor]:
    """A spread of values of every module's (last) output, in an order that no memory format changes; `shapes` gets those of inputs."""
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str, arguments: tuple[Any, ...], output: object) -> None:
        if arguments and isinstance(arguments[0], torch.Tensor):
            shapes[name] = arguments[0].shape
        tensor = first_tensor(output)
        if tensor is not None and tensor.is_floating_point():
            flat = tensor.detach().reshape(-1)
            kept[name] = flat[:: max(1, flat.numel() // SAMPLED)].clone()

    handles = [
        module.register_forward_hook(lambda _module, arguments, output, name=name: keep(name, arguments, output))
        for name, module in network.named_modules()
    ]
    try:
        forward(network, batch, input_size)
    finally:
        for handle in handles:
            handle.remove()
    return kept


def _difference(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], folded: set[str]) -> tuple[float, str]:
    """The largest relative difference, and the layer it is in. Outputs of folded convolutions are meant to differ."""
    worst, where = 0.0, ""
    for name, plain in before.items():
        if name in folded:
            continue
        other = after.get(name)
        if other is None or other.shape != plain.shape:
            return float("inf"), name
        scale = float(plain.abs().max())
        relative = float((other - plain).abs().max()) / scale if scale > 0 else float(other.abs().max())
        if not relative <= worst:
            worst, where = relative, name
    return worst, where or "the output"
