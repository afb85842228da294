"""The operations of a network in order, by symbolic tracing, and the network cut behind one.

Modules alone do not tell where the last map is: DenseNet's last ReLU is a function, and what a
network does behind its last block stands in no module either. The graph of operations does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import jaxtyping
import torch
from torch import Tensor, fx, nn
from torchvision.models.feature_extraction import DualGraphModule, NodePathTracer

from regionwise.errors import LayerError, ModelError, nearest
from regionwise.models.grids import Grid, Hints, grid_of
from regionwise.models.sources import first_line
from regionwise.shapes import Inputs

_PASSING_ON: Final = ("pool", "dropout", "droppath", "identity", "flatten", "permute", "contiguous")

_CONSTANT: Final = "_tensor_constant"
"""How torch.fx begins the names of tensors that a network makes while it runs."""


@dataclass(frozen=True, eq=False)
class Step:
    """One operation of a network on one batch.

    Attributes:
        name: ``layer4.1.relu`` of a module, ``features.denseblock4.cat`` of a function.
        kind: class of the module, or name of the function; ``weight`` of a weight by itself.
        value: what it gave, as it was in the end (a later step may work in place).
        given: shape of the first tensor that it took; empty if it took none.
        images: how many the network was given.
        module: path of the module; ``None`` for functions.
        weighs: it has parameters.
    """

    name: str
    kind: str
    value: Any
    given: tuple[int, ...]
    images: int
    module: str | None
    weighs: bool

    @property
    def passes_on(self) -> bool:
        """Whether it only pools, drops or rearranges what an earlier step found."""
        return not self.weighs and any(word in self.kind.lower() for word in _PASSING_ON)

    def grid(self, image: tuple[int, int], hints: Hints) -> Grid | None:
        """Return how its value is read as a map; ``None`` if it is none."""
        value = self.value
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.dim() < 3:
            return None
        return grid_of(value.shape, image, hints) if len(value) == self.images else None


def steps_of(network: nn.Module, inputs: Inputs) -> tuple[Step, ...]:
    """Run the network on inputs, in its own mode, and return its steps in order.

    Raises:
        ModelError: its operations cannot be traced, because the way depends on values.
    """
    graph, names = _traced(network)
    watch = _Watch(network, graph, names, len(inputs))
    with torch.no_grad():
        watch.run(inputs)
    return tuple(watch.steps)


def last_map(steps: Sequence[Step], image: tuple[int, int], hints: Hints) -> Step:
    """Return the last step that gives a map and does more than to pool it or pass it on.

    Where the network classifies every cell and then pools (SqueezeNet), the map in front of that
    classifier is returned.

    Raises:
        LayerError: no step behind the first weights gives a map of several cells.
    """
    first = next((i for i, s in enumerate(steps) if s.weighs), len(steps))
    maps = [s for s in steps[first:] if s.grid(image, hints) is not None and not s.passes_on]
    if not maps:
        rows, columns = image
        raise LayerError(
            f"the network has no map of several cells at {rows} x {columns}: a backbone needs one"
            " (n, channels, rows, columns, or tokens on a grid); try larger images"
        )
    answer = steps[-1].value
    classes = answer.shape[1] if isinstance(answer, Tensor) and answer.dim() == 2 else None
    behind = steps[steps.index(maps[-1]) + 1 :]
    if any(s.weighs for s in behind) or maps[-1].value.shape[1] != classes:
        return maps[-1]
    wider = [s for s in maps if s.value.shape[1] != classes]
    return wider[-1] if wider else maps[-1]


class Trunk(DualGraphModule):  # type: ignore[misc]  # torchvision has no types
    """A network up to one of its steps: its own modules under their own names, and no others.

    Training and evaluation have a graph each, as dropout and the like are traced into it. The one
    that runs follows ``training``, however that is set: those who lend a network set it directly.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "training" and value != self.__dict__.get(name, value):
            self.graph = self.train_graph if value else self.eval_graph
        super().__setattr__(name, value)

    def train(self, mode: bool = True) -> Trunk:  # noqa: FBT001, FBT002 - torch's own signature
        """Set the mode of all modules, and run its graph."""
        nn.Module.train(self, mode)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Trunk:
        made: Trunk = super().__deepcopy__(memo)
        for name, module in self.named_modules():
            made.get_submodule(name).training = module.training
        return made


def trunk_of(network: nn.Module, step: str) -> Trunk:
    """Return the network up to a step, named as in :class:`Step`; it shares the weights.

    A module that is no step itself stands for its last step: ``layer4`` for ``layer4.1.relu_1``.

    Raises:
        LayerError: there is no such step.
        ModelError: the network cannot be traced.
    """
    modes = {module: module.training for module in network.modules()}
    try:
        training, evaluating = (_cut(network.train(mode), step) for mode in (True, False))
    finally:
        for module, mode in modes.items():
            module.training = mode
    made: Trunk = Trunk(network, training, evaluating).eval()
    for name, buffer in list(made.named_buffers(recurse=False)):
        if name.startswith(_CONSTANT):  # both graphs hold the same one; files want no sharing
            made.register_buffer(name, buffer.clone())
    return made


def _cut(network: nn.Module, step: str) -> fx.Graph:
    graph, names = _traced(network)
    within = [node for node, name in names.items() if name.startswith(f"{step}.")]
    found = [node for node, name in names.items() if name == step] or within
    if not found:
        known = {*names.values(), *(name for name, _ in network.named_modules() if name)}
        raise LayerError(f"the network has no layer {step!r}: {nearest(step, known, count=5)}")
    nodes = list(graph.nodes)
    for node in reversed(nodes[nodes.index(found[-1]) + 1 :]):
        graph.erase_node(node)
    graph.output(found[-1])
    graph.eliminate_dead_code(lambda node: node.op in {"placeholder", "output"})
    return graph


def _traced(network: nn.Module) -> tuple[fx.Graph, dict[fx.Node, str]]:
    from timm.models._features_fx import (  # noqa: PLC0415 - loads all of timm
        get_notrace_functions,
        get_notrace_modules,
    )

    tracer = NodePathTracer(
        leaf_modules=list(get_notrace_modules()),  # type: ignore[no-untyped-call]
        autowrap_functions=tuple(get_notrace_functions()),  # type: ignore[no-untyped-call]
    )
    try:
        with _unchecked():
            graph = tracer.trace(network)
    except Exception as error:
        raise ModelError(
            f"the operations of {type(network).__name__} cannot be traced"
            f" ({type(error).__name__}: {first_line(error)}); give the network a method"
            " forward_features(inputs) that returns its map, and it is used as it is"
        ) from error
    return graph, dict(tracer.node_to_qualname)


@contextmanager
def _unchecked() -> Iterator[None]:
    """Let proxies pass where annotations are checked: they stand for tensors, but are none."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", value=True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", value=before)


def _kind(node: fx.Node, module: nn.Module | None) -> str:
    if module is not None:
        return type(module).__name__
    return "weight" if node.op == "get_attr" else getattr(node.target, "__name__", str(node.target))


class _Watch(fx.Interpreter):
    """Runs a graph and keeps what every node gave."""

    def __init__(
        self, network: nn.Module, graph: fx.Graph, names: dict[fx.Node, str], images: int
    ) -> None:
        super().__init__(network, garbage_collect_values=False, graph=graph)
        self.network, self.images = network, images
        self.names = names
        self.steps: list[Step] = []

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.op in {"placeholder", "output"}:
            return value
        module = self.network.get_submodule(str(n.target)) if n.op == "call_module" else None
        taken = [self.env[a] for a in n.all_input_nodes if isinstance(self.env[a], Tensor)]
        weighs = n.op == "get_attr" or any(True for _ in (module.parameters() if module else ()))
        self.steps.append(
            Step(
                name=self.names.get(n, n.name),
                kind=_kind(n, module),
                value=value,
                given=tuple(taken[0].shape) if taken else (),
                images=self.images,
                module=str(n.target) if module is not None else None,
                weighs=weighs,
            )
        )
        return value
