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
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from regionwise.errors import SettingError
from regionwise.evidence import checks
from regionwise.evidence.accelerating import Accelerate, check_acceleration
from regionwise.evidence.digest import digest
from regionwise.evidence.engine import MANY, Engine, Precision, check_precision
from regionwise.evidence.forward import Watched, run_once
from regionwise.evidence.graphs import check_graph, derivatives, find_joined_head
from regionwise.evidence.needs import (
    GRADIENTS,
    INPUT_GRADIENTS,
    JOINT,
    MASKED_SCORES,
    POOLED_HEAD,
    TAIL,
)
from regionwise.evidence.remembering import recall_for
from regionwise.evidence.replay import Tail, checked_tail
from regionwise.evidence.resolve import resolve_targets
from regionwise.evidence.scoring import (
    Gate,
    MaskSource,
    Recall,
    Scorer,
    chunks,
    score_channel_masks,
    score_masks,
)
from regionwise.evidence.state import borrowed
from regionwise.evidence.targets import Targets, TargetSpec
from regionwise.evidence.tracing import resolve_layer
from regionwise.heads.finding import find_joint
from regionwise.heads.joint import Joint
from regionwise.heads.pooled import PooledHead, find_pooled_head
from regionwise.models.adapters import link_of
from regionwise.models.grids import Grid, stacked, unstacked
from regionwise.models.placement import device_of
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

    Use it as a context manager: the forward pass runs on entry, the model is given back on exit.

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
        checks.check_known(needs)
        if create_graph and precision is not None:
            raise SettingError(
                "a map that stays differentiable (create_graph=True) runs in the numbers of its"
                " network; leave precision out"
            )
        check_precision(precision)
        check_acceleration(accelerate)
        self.model = unwrap(model)
        self._given = inputs
        self._spec = targets
        self._wanted_layer = layer
        self._needs = needs
        self.class_names = class_names
        self.create_graph = create_graph
        self.precision, self.accelerate = precision, accelerate
        self._engine: Engine | None = None
        self._stack = ExitStack()
        self._cache: dict[Hashable, Any] = {}

    def __enter__(self) -> Probe:  # noqa: PYI034 - beartype has no Self
        with ExitStack() as stack:
            stack.enter_context(borrowed(self.model, as_it_is=self.create_graph))
            self.engine = self._engine or self._new_engine()
            fed = self._checked_inputs()
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
        checks.check_declared(MASKED_SCORES, self._needs)
        recall = recall_for(self.model, (key, self.layer, self.precision), self.inputs)
        if channels is None:
            run = partial(self._score_channels, gate, chunk, None, recall)
            logits: Tensor = self._once(("masked", key), run)
            return logits
        whole = self._cache.get(("masked", key))
        if whole is None and recall is not None:
            rows = [recall.get(index) for index in range(len(self.inputs))]
            known = [row for row in rows if row is not None]
            whole = torch.stack(known) if len(known) == len(rows) else None
        if whole is not None:
            taken: Tensor = whole[torch.arange(len(whole))[:, None], channels]
            return taken
        picked = digest(channels)
        name = (key, self.layer, self.precision, picked)
        recall = recall_for(self.model, name, self.inputs)
        run = partial(self._score_channels, gate, chunk, channels, recall)
        some: Tensor = self._once(("masked", key, picked), run)
        return some

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
        checks.check_declared(MASKED_SCORES, self._needs)
        recall = recall_for(self.model, (key, self.precision), self.inputs) if fixed else None
        logits: Tensor = self._once(
            ("masks", key),
            lambda: score_masks(self._scorer(chunk), masks, count, fill=fill, recall=recall),
        )
        return logits

    @property
    def tail(self) -> Tail:
        """The network behind the layer, checked to give the network's own logits."""
        checks.check_declared(TAIL, self._needs)
        unchecked = Tail(self.engine, self.inputs, self._pass.recording, self.grid)
        tail: Tail
        tail = self._once("tail", partial(checked_tail, unchecked, self.activations, self.logits))
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
        fed = inputs if self.slices is None else unstacked(inputs, self.slices)
        other = Probe(
            self.model,
            fed,
            spec,
            self.layer,
            needs=needs,
            create_graph=self.create_graph,
            precision=self.precision,
            accelerate=self.accelerate,
        )
        other._engine = self.engine
        return other

    def baseline_logits(self, fill: float = 0.0) -> Logits:
        """Logits of an image that is ``fill`` everywhere, in the units of the inputs, n y."""
        checks.check_declared(MASKED_SCORES, self._needs)
        logits: Tensor = self._once(
            ("baseline", fill),
            lambda: self.forward(torch.full_like(self.inputs[:1], fill)),
        )
        return logits.expand(len(self.inputs), -1)

    def forward(self, inputs: Inputs) -> Logits:
        """Run the model on other inputs, without a graph."""
        found = self.engine.pace.over(
            len(inputs), inputs, lambda part: self._scorer().logits(self.engine.feed(inputs[part]))
        )
        return torch.cat(found)

    @property
    def _module(self) -> nn.Module:
        return self.model.get_submodule(self.layer)

    def _scorer(self, chunk: int | None = None) -> Scorer:
        return Scorer(self.engine, self._module, self.inputs, chunk)

    def _score_channels(
        self, gate: Gate, chunk: int | None, channels: Tensor | None, recall: Recall | None
    ) -> Tensor:
        blank = partial(self.baseline_logits, 0.0)
        return score_channel_masks(
            self._scorer(chunk),
            self.activations,
            gate,
            channels=channels,
            recall=recall,
            blank=lambda: blank()[:1],
        )

    def _new_engine(self) -> Engine:
        many = MASKED_SCORES in self._needs or len(self._given) >= MANY
        wishes = (self.precision, self.accelerate)
        return Engine(self.model, *wishes, copies=many, plain=self.create_graph)

    def _forward_once(self, fed: Fed, module: nn.Module) -> None:
        at = Watched(self.engine, self.layer, module)
        self.engine.fold(fed[:1], self.layer)
        self._pass = once = run_once(at, fed, self._needs, create_graph=self.create_graph)
        self.grid: Grid = once.grid
        self.activations: Activations = self._shown(once.activations)
        self.logits: Logits = checks.finite_logits(self._shown(once.logits), self.model)
        checks.check_classes(self.logits, link_of(self.model))

    def _backward(self) -> tuple[Tensor, ...]:
        """Differentiate every target's score once: by the layer, and by the inputs if asked."""
        wants_inputs, leaves = INPUT_GRADIENTS in self._needs, self._pass.leaves
        sources = (*leaves, self._pass.fed) if wants_inputs else leaves
        # a tail may be run again by its own backward pass
        with self.engine.running(), nullcontext() if wants_inputs else self.engine.exact():
            found = derivatives(
                self._graph_scores, sources, self.layer, create_graph=self.create_graph
            )
        by_layer = found[0] if len(leaves) == 1 else torch.cat(found[: len(leaves)])
        return by_layer, *found[len(leaves) :]

    def _shown(self, tensor: Tensor) -> Tensor:
        """Return a tensor without its graph, unless that is to be kept; a leaf here has none."""
        return tensor.detach() if tensor.is_leaf or not self.create_graph else tensor

    def _once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]

    def _checked_inputs(self) -> Fed:
        checked = checks.check_inputs(self._given, keep_graph=self.create_graph)
        checks.check_volumes(self.model, checked, self._needs)
        if self.create_graph:
            check_graph(self.model, checked, self._needs)
        return checked.to(device_of(self.model), self.engine.dtype)
