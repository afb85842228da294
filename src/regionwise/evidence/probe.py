"""The probe: one forward pass of a network, and the evidence that explanations ask of it.

The trunk runs without a graph. At the layer the activations become a leaf, and the network goes on
from a clone of it, so that modules working in place behind the layer change nothing that is kept.
One ``torch.autograd.grad`` through the tail then serves every gradient method; a further target
costs one more pass through the tail. Only where input gradients are asked for does the trunk keep
its graph; layer and input gradients then come from the same backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from regionwise.errors import LayerError, ModelError
from regionwise.evidence.checks import as_logits, check_classes, check_inputs, finite_logits
from regionwise.evidence.forward import run_once
from regionwise.evidence.needs import (
    GRADIENTS,
    INPUT_GRADIENTS,
    MASKED_SCORES,
    NEEDS,
    POOLED_HEAD,
    TAIL,
)
from regionwise.evidence.replay import Tail, checked_tail
from regionwise.evidence.resolve import resolve_targets
from regionwise.evidence.scoring import (
    CHUNK,
    Gate,
    MaskSource,
    chunks,
    score_channel_masks,
    score_masks,
)
from regionwise.evidence.state import borrowed, device_of, dtype_of
from regionwise.evidence.targets import Targets, TargetSpec
from regionwise.evidence.tracing import resolve_layer
from regionwise.heads.pooled import PooledHead, find_pooled_head
from regionwise.models.adapters import link_of
from regionwise.models.grids import Grid
from regionwise.models.wrappers import unwrap
from regionwise.shapes import (
    Activations,
    ChannelLogits,
    Gradients,
    InputGradients,
    Inputs,
    Logits,
    Scores,
)


class Probe:
    """Evidence of one batch, gathered once and shared by all methods.

    Use it as a context manager: the forward pass runs on entry, the model is given back on exit.

    Args:
        model: any classifier whose output is a tensor of logits n y.
        inputs: what the model sees, n c h w.
        targets: what to explain, see :mod:`regionwise.evidence.targets`.
        layer: name or module; the last spatial map by default.
        needs: what will be asked besides activations and logits, of :data:`NEEDS`.
        class_names: lets targets be given, and shown, by name.

    Attributes:
        activations: the layer's output, n k i j.
        logits: n y.
        targets: resolved, t per image.
        scores: the explained scalars, n t.

    Raises:
        InputError: inputs of the wrong shape or dtype, or not finite.
        LayerError: the layer does not exist, does not run exactly once, or gives no map.
        ModelError: the output is no logits n y, or not finite.
        TargetError: targets that do not exist or do not match the batch.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Inputs,
        targets: TargetSpec = None,
        layer: str | nn.Module | None = None,
        *,
        needs: frozenset[str] = frozenset({GRADIENTS}),
        class_names: Sequence[str] | None = None,
    ) -> None:
        if not needs <= NEEDS:
            raise ModelError(f"unknown evidence {sorted(needs - NEEDS)}; known: {sorted(NEEDS)}")
        self._model = unwrap(model)
        self._given = inputs
        self._spec = targets
        self._wanted_layer = layer
        self._needs = needs
        self._class_names = class_names
        self._stack = ExitStack()
        self._cache: dict[Hashable, Any] = {}

    def __enter__(self) -> Probe:  # noqa: PYI034 - beartype has no Self
        with ExitStack() as stack:
            stack.enter_context(borrowed(self._model))
            self.inputs = self._checked_inputs()
            self.layer, module = resolve_layer(self._model, self._wanted_layer, self.inputs)
            self._forward_once(module)
            resolved = resolve_targets(self._spec, self.logits, self._class_names)
            self.targets: Targets = replace(resolved, link=link_of(self._model))
            with torch.set_grad_enabled(self._pass.logits.requires_grad):
                self._graph_scores = self.targets.scores(self._pass.logits)
            self.scores: Scores = self._checked_scores(self._graph_scores.detach())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cache.clear()
        del self._pass, self._graph_scores
        self._stack.__exit__(kind, error, trace)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the inputs."""
        return self.inputs.shape[2], self.inputs.shape[3]

    @property
    def probabilities(self) -> Scores:
        """Softmax probabilities of the targets, n t; NaN where a function is explained."""
        return self.targets.probabilities(self.logits)

    @property
    def gradients(self) -> Gradients:
        """Derivative of each target's score by the activations, n t k i j."""
        self._declared(GRADIENTS)
        gradients: Tensor = self._once("backward", self._backward)[0]
        return gradients

    @property
    def input_gradients(self) -> InputGradients:
        """Derivative of each target's score by the inputs, n t c h w."""
        self._declared(INPUT_GRADIENTS)
        gradients: Tensor = self._once("backward", self._backward)[1]
        return gradients

    @property
    def pooled_head(self) -> PooledHead:
        """The linear layer behind global average pooling, n y = W mean(A) + b, checked by number.

        Raises:
            ModelError: the network is not pooling and linear behind the layer.
        """
        self._declared(POOLED_HEAD)
        head: PooledHead = self._once(
            "head", lambda: find_pooled_head(self._model, self.activations, self.logits)
        )
        return head

    def masked_logits(self, key: Hashable, gate: Gate, *, chunk: int = CHUNK) -> ChannelLogits:
        """Logits of the inputs under one mask per channel, n k y; computed once per ``key``."""
        self._declared(MASKED_SCORES)
        logits: Tensor = self._once(
            ("masked", key),
            lambda: score_channel_masks(
                self.forward, self.inputs, self.activations, gate, chunk=chunk
            ),
        )
        return logits

    def logits_under(
        self,
        key: Hashable,
        masks: MaskSource,
        count: int,
        *,
        fill: Inputs | float = 0.0,
        chunk: int = CHUNK,
    ) -> ChannelLogits:
        """Logits of the inputs under ``count`` masks each, n m y; computed once per ``key``."""
        self._declared(MASKED_SCORES)
        logits: Tensor = self._once(
            ("masks", key),
            lambda: score_masks(self.forward, self.inputs, masks, count, fill=fill, chunk=chunk),
        )
        return logits

    @property
    def tail(self) -> Tail:
        """The network behind the layer, checked to give the network's own logits."""
        self._declared(TAIL)
        tail: Tail = self._once("tail", self._checked_tail)
        return tail

    def tail_logits(self, index: int, activations: Activations, *, chunk: int = 64) -> Logits:
        """Logits of image ``index`` if its map were each of ``activations`` m k i j, m y."""
        tail = self.tail
        with torch.no_grad():
            return torch.cat(
                [tail(index, activations[part]) for part in chunks(len(activations), chunk)]
            )

    def again(self, inputs: Inputs, needs: frozenset[str], targets: TargetSpec = None) -> Probe:
        """Return a probe of other inputs (noisy copies, say) with this layer.

        Its targets are this probe's, unless others are given.
        """
        spec = self.targets.spec if targets is None else targets
        return Probe(self._model, inputs, spec, self.layer, needs=needs)

    def baseline_logits(self, fill: float = 0.0) -> Logits:
        """Logits of an image that is ``fill`` everywhere, in the units of the inputs, n y."""
        self._declared(MASKED_SCORES)
        logits: Tensor = self._once(
            ("baseline", fill),
            lambda: self.forward(torch.full_like(self.inputs[:1], fill)),
        )
        return logits.expand(len(self.inputs), -1)

    def forward(self, inputs: Inputs) -> Logits:
        """Run the model as it is, without a graph."""
        with torch.no_grad():
            return as_logits(self._model(inputs), len(inputs)).detach()

    def _forward_once(self, module: nn.Module) -> None:
        once = run_once(self._model, self.inputs, (self.layer, module), self._needs)
        self._pass = once
        self.grid: Grid = once.grid
        self.activations: Activations = once.leaf.detach()
        self.logits: Logits = finite_logits(once.logits.detach(), self._model)
        check_classes(self.logits, link_of(self._model))

    def _backward(self) -> tuple[Tensor, Tensor | None]:
        """Differentiate every target's score once: by the layer, and by the inputs if asked."""
        wants_inputs = INPUT_GRADIENTS in self._needs
        sources = (self._pass.leaf, self._pass.fed) if wants_inputs else (self._pass.leaf,)
        if not all(t.requires_grad for t in (self._graph_scores, *sources)):
            raise LayerError(self._unreachable())
        with torch.inference_mode(mode=False), torch.enable_grad():
            columns = self._graph_scores.sum(dim=0).unbind()
        found = [
            torch.autograd.grad(column, sources, retain_graph=rest > 0, allow_unused=True)
            for rest, column in zip(reversed(range(len(columns))), columns, strict=True)
        ]
        if any(g is None for row in found for g in row):
            raise LayerError(self._unreachable())
        stacked = [torch.stack(by_target, dim=1) for by_target in zip(*found, strict=True)]
        return stacked[0], stacked[1] if wants_inputs else None

    def _checked_tail(self) -> Tail:
        return checked_tail(
            Tail(self._model, self.inputs, self._pass.recording, self.grid),
            self.activations,
            self.logits,
        )

    def _unreachable(self) -> str:
        return (
            f"the score does not depend on layer {self.layer!r} in a differentiable way;"
            " choose a layer on the way to the logits, or a differentiable score"
        )

    def _once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]

    def _declared(self, need: str) -> None:
        if need not in self._needs:
            raise ModelError(
                f"this probe was opened without {need!r}: name it in `needs`, or in the method's"
                " card, so that the one forward pass can prepare for it"
            )

    def _checked_inputs(self) -> Inputs:
        return check_inputs(self._given).to(device_of(self._model), dtype_of(self._model))

    def _checked_scores(self, scores: Tensor) -> Tensor:
        if not torch.isfinite(scores).all():
            raise ModelError("the score explained is not finite; check the score function")
        return scores
