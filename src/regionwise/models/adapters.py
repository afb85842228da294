"""Networks that do not answer an image with one logit per class, made to do so explicitly.

A network may want more inputs than an image, answer with several things, or mean something else
than a softmax over classes. :class:`Adapted` says so; nothing is guessed.

>>> from torch import nn
>>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
>>> model = Adapted(nn.Sequential(network, nn.Linear(4, 1)), output="binary")
>>> model.class_names
('negative', 'positive')
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from regionwise.errors import ModelError, SettingError
from regionwise.models.wrappers import unwrap

Output = Literal["classes", "binary", "multi-label", "regression"]
Link = Literal["softmax", "sigmoid", "identity"]
"""What turns outputs into probabilities; ``identity``: there are none."""

Call: TypeAlias = Callable[[nn.Module, Tensor], Any]
Select: TypeAlias = Callable[[Any], Tensor]

_LINKS: Final[dict[str, Link]] = {
    "classes": "softmax",
    "binary": "softmax",
    "multi-label": "sigmoid",
    "regression": "identity",
}


class Adapted(nn.Module):
    """A network that takes images and answers with outputs n y whose meaning is known.

    ``output`` is

    - ``classes``: logits of classes that exclude each other; probability is a softmax.
    - ``binary``: one logit s per image, (n,) or (n, 1), positive for the second class. It becomes
      the two logits -s/2 and s/2, whose softmax is 1 - sigmoid(s) and sigmoid(s); a map of the
      class ``positive`` is one of s up to the factor 1/2, one of ``negative`` of -s.
    - ``multi-label``: a logit per label; each probability is a sigmoid of its own.
    - ``regression``: values, (n,) or (n, y), which are explained as they are. There are no
      probabilities; methods that weigh by probability weigh by the value. What speaks *against* a
      value, or for a value near 3, is a target of its own: ``lambda y: -(y[:, 0] - 3).abs()``.

    Layers are named as in the network: ``layer4`` is found as ``network.layer4``.

    Args:
        network: the network.
        output: what its answer means.
        call: runs the network on images, for further inputs:
            ``lambda network, images: network(images, age.expand(len(images), -1))``. Masked copies
            of one image come in batches of any size, so further inputs must follow ``images``.
        select: picks the tensor from the answer: ``lambda answer: answer["scores"]``.
        class_names: in the order of the outputs; for ``binary`` the negative class first.

    Raises:
        SettingError: ``output`` is none of these.
    """

    def __init__(
        self,
        network: nn.Module,
        output: Output | str = "classes",
        *,
        call: Call | None = None,
        select: Select | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        if output not in get_args(Output):
            raise SettingError(f"output cannot be {output!r}; give one of {get_args(Output)}")
        self.network = unwrap(network)
        self.output = output
        self.call = call
        self.select = select
        names = ("negative", "positive") if output == "binary" else None
        self.class_names = names if class_names is None else tuple(class_names)
        told = getattr(network, "num_prefix_tokens", None)
        if told is not None:
            self.num_prefix_tokens = told

    @property
    def link(self) -> Link:
        """What turns the outputs into probabilities."""
        return _LINKS[self.output]

    def forward(self, images: Tensor) -> Any:
        """Run the network, and give its answer the form n y.

        Raises:
            ModelError: the answer has another form than ``output`` promises.
        """
        answer = self.network(images) if self.call is None else self.call(self.network, images)
        if self.select is not None:
            answer = self.select(answer)
        if self.output == "classes":
            return answer
        column = getattr(answer, "logits", answer)
        if not isinstance(column, Tensor):
            raise ModelError(
                f"the network answered with a {type(column).__name__}; say which of its parts is"
                " meant: Adapted(network, select=lambda answer: answer['scores'])"
            )
        values = column.unsqueeze(1) if column.dim() == 1 else column
        return _two_classes(values) if self.output == "binary" else values


def link_of(model: nn.Module) -> Link:
    """Return what turns the model's outputs into probabilities; a softmax unless it says more."""
    return model.link if isinstance(model, Adapted) else "softmax"


def chances(outputs: Tensor, link: Link, dim: int = 1) -> Tensor:
    """Return probabilities, the classes along ``dim``; values as they are where there are none."""
    if link == "softmax":
        return outputs.softmax(dim=dim)
    return outputs.sigmoid() if link == "sigmoid" else outputs


def _two_classes(values: Tensor) -> Tensor:
    if values.dim() != 2 or values.shape[1] != 1:
        raise ModelError(
            f"a binary network answers with one logit per image, (n,) or (n, 1), not"
            f" {tuple(values.shape)}; two logits are classes: Adapted(network, 'classes')"
        )
    return torch.cat([-values / 2, values / 2], dim=1)
