"""How a network is run: the fastest way that gives the same numbers, and back to a slower one.

Flat convolutions run with channels last, weights without gradients. With a ``precision`` what lies
in front of the layer runs in it, by autocast; from the layer on everything is in single precision:
the tail, its gradients, all formulas. A network that refuses a way is run in the next slower one;
where that is not what was asked for, a note says so.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from regionwise.errors import RegionwiseError, SettingError, nearest
from regionwise.evidence.accelerating import Quick
from regionwise.evidence.folding import Fold, folds_of
from regionwise.evidence.mixed import InSingle
from regionwise.evidence.pace import Pace
from regionwise.evidence.room import out_of_memory
from regionwise.evidence.standins import Form, StandIns, stand_ins
from regionwise.models.placement import device_of, dtype_of

Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]
"""In which numbers a network runs in front of the layer."""

PRECISIONS: Final[dict[str, torch.dtype]] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

MANY: Final = 8
"""Passes of images from which on copies of weights are worth their making."""

R = TypeVar("R")


@dataclass(frozen=True)
class Way:
    """One way of running a network.

    Attributes:
        form: of the stand-ins for its weights; ``None`` uses the weights themselves.
        channels_last: whether images are fed so.
        coarse: dtype in front of the layer, if it is another than behind it.
        dtype: of everything else; ``None`` for the weights' own.
    """

    form: Form | None = None
    channels_last: bool = False
    coarse: torch.dtype | None = None
    dtype: torch.dtype | None = None


_Reasons: TypeAlias = dict[Way, str]

_REFUSED: Final[weakref.WeakKeyDictionary[nn.Module, dict[Hashable, _Reasons]]] = (
    weakref.WeakKeyDictionary()
)


class Engine:
    """Runs one network, for one probe and those that come from it.

    Args:
        model: unwrapped.
        precision: in front of the layer; ``None`` for the weights' own dtype.
        accelerate: how passes of masked images are prepared; ``None`` not at all.
        copies: whether so much will run that copies of weights are worth their making.
        plain: run the network as it is, for graphs that shall reach its weights.

    Attributes:
        dtype: of inputs, and of everything from the layer on.
        notes: what runs otherwise than asked, in words.
        pace: how many images run together.
        quick: runs passes that are prepared.

    Raises:
        SettingError: an unknown precision or acceleration; or a precision for a network in double
            precision.
    """

    def __init__(
        self,
        model: nn.Module,
        precision: str | None = None,
        accelerate: str | None = None,
        *,
        copies: bool = False,
        plain: bool = False,
    ) -> None:
        self.model = model
        self.notes: list[str] = []
        own = dtype_of(model)
        check_precision(precision, own)
        asked = None if precision is None else PRECISIONS[precision]
        self.dtype = own if asked is None else torch.float32
        self._ways = [Way()] if plain else _ways(model, (own, asked), accelerate, copies=copies)
        self._asked, self._copies = precision, copies and not plain
        self._stand_ins: StandIns | None = None
        self._way = Way()
        self._settled = False
        self.quick = Quick(accelerate, self.notes)
        self.pace = Pace(model, device_of(model))

    @cached_property
    def couples(self) -> bool:
        """Whether an image's answer depends on the batch: then no batch may be cut."""
        return any(
            isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_mean is None  # noqa: SLF001
            for m in self.model.modules()
        )

    @property
    def way(self) -> Way:
        """How the network is run."""
        return self._way if self._settled else self._ways[0]

    def fold(self, image: Tensor, layer: str) -> None:
        """Look for normalisations that can be left to convolutions, but none that ``layer`` shows.

        Args:
            image: one of the inputs, 1 c h w.
            layer: name of what is explained.
        """
        if self._settled or not self._copies or image.dim() != 4:
            return
        found = [f for f in folds_of(self.model, image) if layer not in f.shown_by]
        self._ways = [self._folding(way, tuple(found)) for way in self._ways]

    def settle(self, run: Callable[[], R], kind: Hashable = None) -> R:
        """Run something the first way that the network takes, and keep to it from now on.

        Ways that were refused are not tried again for the same ``kind`` of pass.
        """
        if self._settled:
            return run()
        refused = _REFUSED.setdefault(self.model, {}).setdefault(kind, {})
        overflowed: _Reasons = {}
        open_ways = [way for way in self._ways if way not in refused]
        for way in open_ways[:-1]:
            self._take(way)
            try:
                found = run()
            except FloatingPointError as error:
                # with other images, or weights, it may not
                overflowed[way] = str(error)
            except (RuntimeError, TypeError, ValueError) as error:
                if isinstance(error, RegionwiseError) or out_of_memory(error):
                    raise
                # it may be the network's own error: then the slowest way raises it again
                refused[way] = str(error).partition("\n")[0]
            else:
                return self._done(found, refused | overflowed)
        self._take(open_ways[-1])
        try:
            found = run()
        except (RuntimeError, TypeError, ValueError):
            refused.clear()
            raise
        return self._done(found, refused | overflowed)

    def feed(self, inputs: Tensor) -> Tensor:
        """Return a copy of images as the network shall see them; it may be worked on in place."""
        last = self.way.channels_last and inputs.dim() == 4
        return inputs.clone(memory_format=torch.channels_last if last else torch.contiguous_format)

    def empty(self, count: int, like: Tensor) -> Tensor:
        """Return room for images n c h w as the network shall see them."""
        last = self.way.channels_last
        layout = torch.channels_last if last else torch.contiguous_format
        size = (count, *like.shape[1:])
        return torch.empty(size, dtype=like.dtype, device=like.device, memory_format=layout)

    def alone(self) -> AbstractContextManager[Any]:
        """Keep an autocast around the call out, where a precision is asked for."""
        if self._asked is None:
            return nullcontext()
        return torch.autocast(device_of(self.model).type, enabled=False)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the stand-ins stand in while passes are made; may be nested."""
        if self._stand_ins is None:
            yield
            return
        with self._stand_ins.in_place():
            yield

    @contextmanager
    def passing(self, layer: nn.Module | None) -> Iterator[Change]:
        """Make one pass; it becomes exact at ``layer``, or when the change is called."""
        coarse = self.way.coarse
        if coarse is None or self._stand_ins is None or layer is None:
            yield Change()
            return
        device = device_of(self.model).type
        with ExitStack() as stack:
            self._stand_ins.put(coarse=True)
            stack.callback(self._stand_ins.put, coarse=False)
            stack.enter_context(torch.autocast(device, coarse))
            mode = stack.enter_context(InSingle())
            yield Change(self._stand_ins, mode, device)

    def exact(self) -> AbstractContextManager[Any]:
        """Make passes behind the layer alone: in single precision, whatever passes by."""
        return nullcontext() if self.way.coarse is None else InSingle(active=True)

    def _folding(self, way: Way, folds: tuple[Fold, ...]) -> Way:
        """Return a way with folds, if its weights are copies in any case."""
        if way.form is None or not (way.form.channels_last or way.form.products):
            return way
        return replace(way, form=replace(way.form, folds=folds))

    def _take(self, way: Way) -> None:
        self._way, self._settled = way, True
        self._stand_ins = None if way.form is None else stand_ins(self.model, way.form)

    def _done(self, found: R, refused: _Reasons) -> R:
        wanted = self._ways[0].coarse
        if wanted is not None and self._way.coarse is None:
            reason = next((text for way, text in refused.items() if way.coarse == wanted), "")
            self.notes.append(f"ran in float32 instead of {self._asked}: {reason}")
        return found


@dataclass
class Change:
    """The change from coarse numbers to single precision, in the middle of a pass."""

    stand_ins: StandIns | None = None
    mode: InSingle | None = None
    device: str = ""
    done: bool = field(default=False)

    def __call__(self, output: Any) -> Any:
        """Change over, and return the layer's output in single precision."""
        if self.stand_ins is None or self.mode is None:
            return output
        if not self.done:
            self.stand_ins.put(coarse=False)
            torch.set_autocast_enabled(self.device, False)  # noqa: FBT003 - torch's own form
            self.mode.active = True
            self.done = True
        coarse = isinstance(output, Tensor) and output.dtype in {torch.bfloat16, torch.float16}
        return output.float() if coarse else output


def check_precision(precision: str | None, own: torch.dtype = torch.float32) -> None:
    """Refuse a precision that there is none of.

    Raises:
        SettingError: names it.
    """
    if precision is None:
        return
    if precision not in PRECISIONS:
        raise SettingError(f"unknown precision {precision!r}: {nearest(precision, PRECISIONS)}")
    if own == torch.float64:
        raise SettingError(
            f"precision {precision!r} is for networks in single or half precision, and this one is"
            " in double precision; leave it out, or convert the network with .float()"
        )


def _ways(
    model: nn.Module,
    dtypes: tuple[torch.dtype, torch.dtype | None],
    accelerate: str | None,
    *,
    copies: bool,
) -> list[Way]:
    """Return the ways to run a network, the one to try first at the head."""
    own, asked = dtypes
    device = device_of(model).type
    packs = device == "cpu" and accelerate is None
    dtype = None if asked is None or own == torch.float32 else torch.float32
    flat = own != torch.float64 and any(isinstance(m, nn.Conv2d) for m in model.modules())
    half = asked if asked in {torch.bfloat16, torch.float16} else None
    # on CUDA channels last pays for half precision alone
    last = flat and (device == "cpu" or (device == "cuda" and (half or own) != torch.float32))
    base = Form(dtype)
    ways = [Way(base, dtype=dtype)]
    if dtype is None:
        # for networks that want their weights themselves
        ways.append(Way())
    if last:
        form = Form(dtype, channels_last=copies, packed=copies and packs)
        ways.insert(0, Way(form, channels_last=True, dtype=dtype))
    if half is not None:
        form = Form(dtype, products=half, channels_last=last, packed=last and packs)
        ways.insert(0, Way(form, channels_last=last, coarse=half, dtype=dtype))
    return ways
