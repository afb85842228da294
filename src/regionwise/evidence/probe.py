"""The probe: one forward pass of a network, and the evidence that explanations ask of it.

The trunk runs without a graph. At the layer the activations become a leaf, and the network goes on
from a clone of it, so that modules working in place behind the layer change nothing that is kept.
One ``torch.autograd.grad`` through the tail then serves every gradient method; a further target
costs one more pass through the tail. Only where input gradients are asked for does the trunk keep
its graph; layer and input gradients then come from the same backward pass.

``create_graph=True`` keeps one graph from the weights and the inputs to everything that is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from regionwise.evidence import checks
from regionwise.evidence.accelerating import Accelerate
from regionwise.evidence.door import Wishes, engine_for, let_in
from regionwise.evidence.engine import MANY, Engine, Precision
from regionwise.evidence.forward import Watched, record_copies, run_once
from regionwise.evidence.graphs import backward, find_joined_head
from regionwise.evidence.masked import MaskedLogits
from regionwise.evidence.needs import (
    GRADIENTS,
    INPUT_GRADIENTS,
    JOINT,
    MASKED_SCORES,
    POOLED_HEAD,
    TAIL,
)
from regionwise.evidence.replay import Tail, checked_tail
from regionwise.evidence.resolve import resolve_targets
from regionwise.evidence.scoring import Gate, MaskSource, chunks
from regionwise.evidence.state import borrowed
from regionwise.evidence.targets import Targets, TargetSpec
from regionwise.evidence.tracing import resolve_layer
from regionwise.heads.finding import find_joint
from regionwise.heads.joint import Joint
from regionwise.heads.pooled import PooledHead, find_pooled_head
from regionwise.models.adapters import link_of
from regionwise.models.grids import Grid, stacked, unstacked
from regionwise.models.wrappers import unwrap
from regionwise.shapes import (
    Activations,
    ChannelLogits,
    Fed,
    Gradients,
    InputGradients,
    Inputs,
    Logits,
    Scores,
)


class Probe:
    """Evidence of one batch, gathered once and shared by all methods.

    A context manager: the forward pass runs on entry, the model is given back on exit.

    Args:
        model: any classifier whose output is a tensor of logits n y.
        inputs: what the model sees, n c h w; or volumes n c d h w.
        targets: what to explain, see :mod:`regionwise.evidence.targets`.
        layer: name or module; the last spatial map by default.
        needs: what will be asked besides activations and logits, of :data:`NEEDS`.
        class_names: lets targets be given, and shown, by name.
        create_graph: activations, logits, scores and gradients stay differentiable by the
            parameters, and by the inputs if these require gradients, for losses on maps. The
            model then runs in the mode it is in: in training mode dropout drops, and batch
            statistics and the random state move on, as in any forward pass of yours.
        precision: in which numbers the network runs in front of the layer, ``"float32"``,
            ``"bfloat16"`` or ``"float16"``; from the layer on everything is in single precision.
            ``None`` for the dtype of the weights.
        accelerate: ``"compile"`` or ``"cuda-graphs"`` for passes of masked images.

    Attributes:
        model: the network, without wrappers; in eval mode while the probe is open.
        inputs: n c h w; the slices of a volume lie below each other, n c (d h) w.
        slices: d of a volume, ``None`` for images.
        activations: the layer's output, n k i j; of a volume n k (d i) j.
        logits: n y.
        targets: resolved, t per image.
        scores: the explained scalars, n t.
        engine: runs the network; its ``notes`` say what ran otherwise than asked.

    Raises:
        InputError: inputs of the wrong shape or dtype, or not finite.
        LayerError: the layer does not exist, does not run exactly once, or gives no map.
        ModelError: the output is no logits n y, or not finite.
        SettingError: ``create_graph`` with evidence that has no graph, or nothing to learn; a
            volume with evidence that needs a plane.
        TargetError: targets that do not exist or do not match the batch.
    """

    def __init__(  # noqa: PLR0913 - one parameter for each choice
        self,
        model: nn.Module,
        inputs: Fed,
        targets: TargetSpec = None,
        layer: str | nn.Module | None = None,
        *,
        needs: frozenset[str] = frozenset({GRADIENTS}),
        class_names: Sequence[str] | None = None,
        create_graph: bool = False,
        precision: Precision | None = None,
        accelerate: Accelerate | None = None,
    ) -> None:
        self._wishes = Wishes(create_graph, precision, accelerate)
        self._wishes.check(needs)
        self.model = unwrap(model)
        self._given = inputs
        self._spec = targets
        self._wanted_layer = layer
        self._needs = needs
        self.class_names = class_names
        self.create_graph = create_graph
        self._engine: Engine | None = None
        self._stack = ExitStack()
        self._cache: dict[Hashable, Any] = {}

    def __enter__(self) -> Probe:  # noqa: PYI034 - beartype has no Self
        with ExitStack() as stack:
            stack.enter_context(borrowed(self.model, as_it_is=self.create_graph))
            wanted = (self._needs, self._wishes, self._engine)
            fed, self.engine = let_in(self.model, self._given, *wanted)
            stack.enter_context(self.engine.alone())
            self.slices = fed.shape[2] if fed.dim() == 5 else None
            self.inputs: Inputs = fed if self.slices is None else stacked(fed)
            self.layer, module = resolve_layer(self.model, self._wanted_layer, fed)
            self._forward_once(fed, module)
            resolved = resolve_targets(self._spec, self.logits, self.class_names)
            self.targets: Targets = replace(resolved, link=link_of(self.model))
            with torch.set_grad_enabled(self._pass.logits.requires_grad):
                self._graph_scores = self.targets.scores(self._pass.logits)
            self.scores: Scores = checks.finite_scores(self._shown(self._graph_scores))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cache.clear()
        del self._pass, self._graph_scores
        self._stack.close()

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of :attr:`inputs`."""
        return self.inputs.shape[2], self.inputs.shape[3]

    @property
    def probabilities(self) -> Scores:
        """Softmax probabilities of the targets, n t; NaN where a function is explained."""
        return self.targets.probabilities(self.logits)

    @property
    def gradients(self) -> Gradients:
        """Derivative of each target's score by the activations, n t k i j."""
        checks.check_declared(GRADIENTS, self._needs)
        gradients: Tensor = self._once("backward", self._backward)[0]
        return gradients

    @property
    def input_gradients(self) -> InputGradients:
        """Derivative of each target's score by the inputs, n t c h w."""
        checks.check_declared(INPUT_GRADIENTS, self._needs)
        gradients: Tensor = self._once("backward", self._backward)[1]
        return gradients if self.slices is None else stacked(gradients)

    @property
    def pooled_head(self) -> PooledHead:
        """The linear layer behind global average pooling, n y = W mean(A) + b, checked by number.

        Raises:
            ModelError: the network is not pooling and linear behind the layer.
        """
        checks.check_declared(POOLED_HEAD, self._needs)
        find = find_joined_head if self.create_graph else find_pooled_head
        found = self._once("head", lambda: find(self.model, self.activations, self.logits))
        head: PooledHead = found
        return head

    @property
    def joint(self) -> tuple[str, Joint]:
        """The kind of the head behind the layer, and its joint, checked by number.

        Raises:
            ModelError: the network does not explain itself behind this layer.
        """
        checks.check_declared(JOINT, self._needs)
        with torch.set_grad_enabled(self.create_graph):
            joint: tuple[str, Joint] = self._once(
                "joint", lambda: find_joint(self.model, self.activations, self.logits)
            )
        return joint

    def masked_logits(
        self,
        key: Hashable,
        gate: Gate,
        *,
        chunk: int | None = None,
        channels: Int[Tensor, "n b"] | None = None,
    ) -> ChannelLogits:
        """Logits of the inputs under one mask per channel, n k y; computed once per ``key``.

        Args:
            key: names the gate.
            gate: turns channels 1 k i j into masks 1 k h w.
            chunk: masked images per forward pass; by default what suits the machine.
            channels: of each image; then n b y. What is known of all channels is not run again.
        """
        return self._masked.of_channels(key, gate, chunk, channels)

    def logits_under(
        self,
        key: Hashable,
        masks: MaskSource,
        count: int,
        *,
        fill: Inputs | float = 0.0,
        chunk: int | None = None,
        fixed: bool = False,
    ) -> ChannelLogits:
        """Logits under ``count`` masks, n m y, once per ``key``; ``fixed``: for any picture."""
        return self._masked.under(key, masks, count, fill=fill, chunk=chunk, fixed=fixed)

    @property
    def tail(self) -> Tail:
        """The network behind the layer, checked to give the network's own logits."""
        checks.check_declared(TAIL, self._needs)
        found = Tail(self.engine, self.inputs, self._pass.recording, self.grid)
        given = (self.activations, self.logits, partial(record_copies, self._at, self.inputs))
        tail: Tail = self._once("tail", lambda: checked_tail(found, *given))
        return tail

    def tail_logits(self, index: int, activations: Activations, *, chunk: int = 64) -> Logits:
        """Logits of image ``index`` if its map were each of ``activations`` m k i j, m y."""
        tail = self.tail
        with torch.no_grad():
            parts = chunks(len(activations), chunk)
            return torch.cat([tail(index, activations[part]) for part in parts])

    def again(self, inputs: Inputs, needs: frozenset[str], targets: TargetSpec = None) -> Probe:
        """Return a probe of other inputs (noisy copies, say) with this layer.

        Its targets are this probe's, unless others are given.
        """
        spec = self.targets.spec if targets is None else targets
        fed = inputs if self.slices is None else unstacked(inputs, self.slices)
        other = Probe(self.model, fed, spec, self.layer, needs=needs, **asdict(self._wishes))
        many = partial(engine_for, self.model, self._wishes, copies=True)
        other._engine = self.engine if len(fed) < MANY else self._once("many", many)
        return other

    def baseline_logits(self, fill: float = 0.0) -> Logits:
        """Logits of an image that is ``fill`` everywhere, in the units of the inputs, n y."""
        return self._masked.of_constant(fill).expand(len(self.inputs), -1)

    def forward(self, inputs: Inputs) -> Logits:
        """Run the model on other inputs, without a graph."""
        masked: MaskedLogits = self._once("masked", self._new_masked)
        return masked.of(inputs)

    @property
    def _masked(self) -> MaskedLogits:
        checks.check_declared(MASKED_SCORES, self._needs)
        masked: MaskedLogits = self._once("masked", self._new_masked)
        return masked

    def _new_masked(self) -> MaskedLogits:
        return MaskedLogits(self._at, self.inputs, self.activations, self._wishes.precision)

    def _forward_once(self, fed: Fed, module: nn.Module) -> None:
        self.engine.fold(fed[:1], self.layer)
        self._at = Watched(self.engine, self.layer, module)
        self._pass = once = run_once(self._at, fed, self._needs, create_graph=self.create_graph)
        self.grid: Grid = once.grid
        self.activations: Activations = self._shown(once.activations)
        self.logits: Logits = checks.finite_logits(self._shown(once.logits), self.model)
        checks.check_classes(self.logits, link_of(self.model))

    def _backward(self) -> tuple[Tensor, ...]:
        how = {"inputs": INPUT_GRADIENTS in self._needs, "create_graph": self.create_graph}
        return backward(self._pass, self._graph_scores, self._at, **how)

    def _shown(self, tensor: Tensor) -> Tensor:
        """Return a tensor without its graph, unless that is to be kept; a leaf here has none."""
        return tensor.detach() if tensor.is_leaf or not self.create_graph else tensor

    def _once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]
