"""What can be asked of a probe besides activations and logits; cards use these words."""

from __future__ import annotations

from typing import Final

GRADIENTS: Final = "gradients"
"""Derivatives of the scores by the layer's map."""

INPUT_GRADIENTS: Final = "input-gradients"
"""Derivatives of the scores by the inputs."""

MASKED_SCORES: Final = "masked-scores"
"""Scores of masked images."""

POOLED_HEAD: Final = "pooled-head"
"""The linear layer behind global average pooling."""

TAIL: Final = "tail"
"""Scores of changed activations, the network in front of the layer left out."""

JOINT: Final = "joint"
"""The joint of class and location that the head of a self-explaining network gives."""

DIRECT: Final = frozenset({GRADIENTS, INPUT_GRADIENTS, POOLED_HEAD, JOINT})
"""Evidence of the one pass itself, without masked images or changed activations.

It can keep its graph. It knows cells but no plane, so that volumes have it too.
"""

NEEDS: Final = frozenset({GRADIENTS, INPUT_GRADIENTS, MASKED_SCORES, POOLED_HEAD, TAIL, JOINT})
