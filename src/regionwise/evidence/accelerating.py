"""Compiled passes and CUDA graphs for masked images, where these are asked for and work.

Only passes of one size that nobody looks into can be prepared so: those of masked images. Whatever
stands in the way, the passes run as ever, and a note says why.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

import torch
from torch import Tensor, nn

from regionwise.errors import SettingError, nearest
from regionwise.evidence.room import out_of_memory

Accelerate: TypeAlias = Literal["compile", "cuda-graphs"]
"""How passes of masked images are prepared."""

ACCELERATIONS: Final = ("compile", "cuda-graphs")

Run: TypeAlias = Callable[[Tensor], Any]


def check_acceleration(wish: str | None) -> None:
    """Refuse an acceleration that there is none of.

    Raises:
        SettingError: names it.
    """
    if wish is not None and wish not in ACCELERATIONS:
        raise SettingError(f"unknown acceleration {wish!r}: {nearest(wish, ACCELERATIONS)}")


class Quick:
    """Runs batches of one size the quick way, and all others as ever.

    Args:
        wish: how; ``None`` runs everything as ever.
        notes: where a note is left if the wish cannot be met.
    """

    def __init__(self, wish: str | None, notes: list[str]) -> None:
        check_acceleration(wish)
        self._wish = wish
        self._notes = notes
        self._size = 0
        self._prepared: Run | None = None

    def __call__(self, fed: Tensor, model: nn.Module | None, run: Run) -> Any:
        """Return what ``run`` makes of ``fed``; ``model``, if given, is all that it runs."""
        if self._wish is None or len(fed) < self._size // 2:
            return run(fed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if self._prepared is None:
                    self._prepared, self._size = self._prepare(fed, model, run), len(fed)
                elif len(fed) > self._size:
                    return run(fed)
                return self._cut(self._prepared(self._padded(fed)), len(fed))
        except Exception as error:
            # compilers fail in ways of their own
            if out_of_memory(error):
                self._prepared, self._size = None, 0
                raise
            reason = (str(error).strip() or type(error).__name__).partition("\n")[0]
            self._notes.append(f"ran without {self._wish}: {reason}")
            self._wish = self._prepared = None
            return run(fed)

    def _prepare(self, fed: Tensor, model: nn.Module | None, run: Run) -> Run:
        if self._wish == "compile":
            if model is None:
                raise RuntimeError("a pass that changes its precision on the way is not compiled")
            own = dict(vars(model))
            compiled: Run = torch.compile(model, dynamic=False)
            for mark in vars(model).keys() - own.keys():
                # torch notes on the network itself that it was compiled
                del vars(model)[mark]
            return compiled
        if fed.device.type != "cuda":
            raise RuntimeError(f"there are no CUDA graphs on {fed.device.type!r}")
        return _captured(fed, run)

    def _padded(self, fed: Tensor) -> Tensor:
        missing = self._size - len(fed)
        if not missing:
            return fed
        more = fed[-1:].expand(missing, *fed.shape[1:])
        layout = torch.channels_last if _lies_last(fed) else torch.contiguous_format
        return torch.cat([fed, more]).contiguous(memory_format=layout)

    def _cut(self, answer: Any, count: int) -> Any:
        if isinstance(answer, Tensor):
            return answer[:count]
        if count == self._size:
            return answer
        raise RuntimeError(f"the network answers with a {type(answer).__name__}, not with logits")


def _lies_last(images: Tensor) -> bool:
    return images.dim() == 4 and images.is_contiguous(memory_format=torch.channels_last)


def _captured(fed: Tensor, run: Run) -> Run:
    """Capture a pass as a CUDA graph; its replays read from, and write to, tensors of its own."""
    given = fed.clone()
    side = torch.cuda.Stream(fed.device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(fed.device))
    with torch.cuda.stream(side):
        for _ in range(2):
            run(given)
    torch.cuda.current_stream(fed.device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        answer = run(given)

    def replay(images: Tensor) -> Tensor:
        given.copy_(images)
        graph.replay()
        copied: Tensor = answer.clone()
        return copied

    return replay
