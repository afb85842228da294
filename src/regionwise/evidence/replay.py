"""Running only what lies behind a layer, in any network, by playing back what lies before it.

While the network runs once, the outputs of the outermost modules that finish before the layer are
kept. To replay, the network's own forward runs again with those modules answering from their
records and the layer answering with changed activations: only the tail computes anything. The
first replay is checked against the real logits; where it fails, the whole network runs instead,
with the layer's output replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from regionwise.evidence.checks import as_logits
from regionwise.evidence.engine import Engine
from regionwise.models.grids import Grid
from regionwise.shapes import Activations, Inputs, Logits

TailMode = Literal["replay", "full"]


def version_of(tensor: Tensor) -> int:
    """Return how often a tensor was changed in place; torch has no public name for it."""
    version: int = tensor._version  # noqa: SLF001
    return version


@dataclass(eq=False)
class Recording:
    """What the modules before a layer gave, by name, in the order of their calls."""

    layer: str
    clone: bool = False
    records: list[tuple[str, Any]] = field(default_factory=list)
    raw: Tensor | None = None
    _versions: list[tuple[Tensor, int]] = field(default_factory=list)

    @contextmanager
    def listening(self, model: nn.Module) -> Iterator[None]:
        """Record while the model runs in this block."""
        handles = [
            module.register_forward_hook(self._listener(name))
            for name, module in model.named_modules()
            if name and not f"{self.layer}.".startswith(f"{name}.")
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @property
    def finished(self) -> Tensor:
        """The layer's own output."""
        if self.raw is None:
            raise RuntimeError("the layer has not run yet")
        return self.raw

    @property
    def spoiled(self) -> bool:
        """Whether a record was changed in place after it was taken."""
        return any(version_of(tensor) != version for tensor, version in self._versions)

    def finish(self, raw: Tensor) -> None:
        """Note the layer's own output; whatever finishes later is the tail."""
        self.raw = raw.detach()
        self.records = [r for r in self.records if not r[0].startswith(f"{self.layer}.")]

    def _listener(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def listen(_: nn.Module, __: Any, output: Any) -> None:
            if self.raw is not None:
                return
            self.records = [r for r in self.records if not r[0].startswith(f"{name}.")]
            self.records.append((name, _mapped(output, self._kept)))

        return listen

    def _kept(self, tensor: Tensor) -> Tensor:
        if self.clone:
            return tensor.detach().clone()
        self._versions.append((tensor, version_of(tensor)))
        return tensor.detach()


@dataclass(frozen=True, eq=False)
class Tail:
    """The network behind a layer, as a function of the layer's map.

    Attributes:
        engine: runs the whole network.
        inputs: what it was fed, n c h w.
        recording: what lies before the layer.
        grid: how the layer's output is read.
        mode: ``replay`` if that was seen to give the network's own logits, else ``full``.
    """

    engine: Engine
    inputs: Inputs
    recording: Recording
    grid: Grid
    mode: TailMode = "replay"

    @property
    def model(self) -> nn.Module:
        """The whole network."""
        return self.engine.model

    def __call__(self, index: int, activations: Activations) -> Logits:
        """Return the logits m y of image ``index`` if its map were each of m k i j."""
        raw = self.recording.finished
        changed = self.grid.write(activations, raw[index : index + 1]).clone()
        count = len(activations)
        fed = self.inputs[index : index + 1].expand(count, *self.inputs.shape[1:])
        with ExitStack() as stack:
            stack.enter_context(self.engine.running())
            stack.enter_context(self.engine.exact())
            if self.mode == "replay":
                stack.enter_context(self._answering(index, count))
            layer = self.model.get_submodule(self.recording.layer)
            stack.enter_context(_forward_as(layer, lambda *_, **__: changed))
            return as_logits(self.model(fed), count)

    @contextmanager
    def _answering(self, index: int, count: int) -> Iterator[None]:
        """Let the modules before the layer answer from their records."""
        images = len(self.inputs)
        answers: dict[str, list[Any]] = {}
        for name, output in self.recording.records:
            mine = _mapped(output, lambda t: _share_of(t, index, images, count))
            answers.setdefault(name, []).append(mine)
        with ExitStack() as stack:
            for name, outputs in answers.items():
                module = self.model.get_submodule(name)
                stack.enter_context(_forward_as(module, _playback(outputs, module.forward)))
            yield


def checked_tail(
    tail: Tail, activations: Activations, logits: Logits, copies: Callable[[], Recording]
) -> Tail:
    """Return the tail in the mode that gives the network's own logits for its own map.

    ``copies`` records once more where what was recorded was changed in place. Often that harms
    nothing, because what changed it answers from a record of its own.
    """
    if _gives(tail, activations, logits):
        return tail
    if tail.recording.spoiled:
        tail = replace(tail, recording=copies())
        if _gives(tail, activations, logits):
            return tail
    return replace(tail, mode="full")


def _gives(tail: Tail, activations: Activations, logits: Logits) -> bool:
    """Whether the tail gives these logits for this map."""
    twice = activations[:1].expand(2, -1, -1, -1)
    try:
        with torch.no_grad():
            found = tail(0, twice)
    except (RuntimeError, ValueError, TypeError, IndexError):
        return False
    scale = logits[0].abs().amax().clamp_min(1e-12)
    slack = max(64 * torch.finfo(logits.dtype).eps, 1e-5)
    return bool((found - logits[:1]).abs().amax() <= slack * scale)


def _playback(outputs: list[Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """Answer the first calls from the records, later ones with the module itself."""
    waiting = iter(outputs)

    def answer(*arguments: Any, **named: Any) -> Any:
        try:
            return next(waiting)
        except StopIteration:
            return original(*arguments, **named)

    return answer


@contextmanager
def _forward_as(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Replace a module's forward for a while, on the instance alone."""
    before = module.__dict__.get("forward")
    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        if before is None:
            del module.__dict__["forward"]
        else:
            module.__dict__["forward"] = before


def _share_of(tensor: Tensor, index: int, images: int, count: int) -> Tensor:
    """Return the part of a record that belongs to one image, for ``count`` copies of it."""
    if tensor.dim() == 0 or tensor.shape[0] % images:
        return tensor
    per_image = tensor.shape[0] // images
    mine = tensor[index * per_image : (index + 1) * per_image]
    if per_image == 1:
        return mine.expand(count, *tensor.shape[1:])
    return mine.repeat(count, *[1] * (tensor.dim() - 1))


def _mapped(output: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Apply ``change`` to every tensor in a module's output."""
    if isinstance(output, Tensor):
        return change(output)
    if isinstance(output, dict):
        changed = {key: _mapped(value, change) for key, value in output.items()}
        return type(output)(**changed) if hasattr(output, "to_tuple") else changed
    if isinstance(output, list | tuple) and not hasattr(output, "_fields"):
        return type(output)(_mapped(value, change) for value in output)
    return output
