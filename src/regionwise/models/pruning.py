"""Leaving out what a network's map does not depend on: its old classifier, auxiliary heads.

A parameter that never gets a gradient would stop distributed training, and weigh down every file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def prune(network: nn.Module, run: Callable[[], Tensor]) -> None:
    """Replace, in place, modules with weights that ``run()`` does not depend on by identities.

    Where that changes the result (a network may look at what it does not use), they stay, and their
    weights are frozen. So are single weights that nothing depends on.
    """
    with torch.enable_grad():
        output = run()
    used = _used(output)
    replaced = list(_replaced(network, used))
    if replaced and not _same(run, output.detach()):
        for parent, name, module in replaced:
            setattr(parent, name, module)
    for parameter in network.parameters():
        if id(parameter) not in used:
            parameter.requires_grad = False


def _used(output: Tensor) -> frozenset[int]:
    """Return the identities of all leaves that a tensor's graph leads back to."""
    found, seen = set[int](), set()
    waiting = [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            found.add(id(leaf))
        waiting.extend(next_node for next_node, _ in node.next_functions)
    return frozenset(found)


def _replaced(
    network: nn.Module, used: frozenset[int]
) -> Iterable[tuple[nn.Module, str, nn.Module]]:
    for name, child in list(network.named_children()):
        trainable = [p for p in child.parameters() if p.requires_grad]
        reached = [id(p) in used for p in trainable]
        if trainable and not any(reached):
            setattr(network, name, nn.Identity())
            yield network, name, child
        elif not all(reached):
            yield from _replaced(child, used)


def _same(run: Callable[[], Tensor], before: Tensor) -> bool:
    """Whether a run still gives the same; a network may refuse an identity in any way it likes."""
    try:
        with torch.no_grad():
            return torch.equal(run(), before)
    except Exception:  # noqa: BLE001 - whatever it is, the modules come back
        return False
