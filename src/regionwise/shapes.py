"""The axis alphabet and the tensor aliases built from it.

========  =======================================================================
letter    axis
========  =======================================================================
``n``     images
``t``     targets asked per image
``c``     colour channels
``h w``   pixels (rows, columns); in a volume ``s h w``, s slices of them
``k``     channels of the explained layer
``i j``   cells of the explained layer (rows, columns); ``z`` = (i, j) flattened
``y``     classes
``m``     masks
``p``     parts
========  =======================================================================

Annotations are documentation at run time; the test suite has them checked by beartype.
"""

from __future__ import annotations

from typing import TypeAlias

from jaxtyping import Float, Int
from torch import Tensor

Images: TypeAlias = Float[Tensor, "n c h w"]
"""RGB in [0, 1]."""

Inputs: TypeAlias = Float[Tensor, "n c h w"]
"""What the model sees, after its preprocessing."""

Fed: TypeAlias = Float[Tensor, "n c *s h w"]
"""What the model is fed with: images n c h w, or volumes n c s h w."""

Logits: TypeAlias = Float[Tensor, "n y"]
Activations: TypeAlias = Float[Tensor, "n k i j"]
Gradients: TypeAlias = Float[Tensor, "n t k i j"]
InputGradients: TypeAlias = Float[Tensor, "n t c h w"]
ChannelWeights: TypeAlias = Float[Tensor, "n t k"]
ChannelLogits: TypeAlias = Float[Tensor, "n k y"]
Maps: TypeAlias = Float[Tensor, "n t i j"]
GridMaps: TypeAlias = Float[Tensor, "n t *d i j"]
"""Maps of images, n t i j, or of volumes, n t d i j."""
Scores: TypeAlias = Float[Tensor, "n t"]
TargetIndices: TypeAlias = Int[Tensor, "n t"]
