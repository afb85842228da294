"""Cards of the methods around the activations and the network behind them, without torch."""

from __future__ import annotations

from typing import Final

from regionwise.registry import Card

_HERE: Final = "regionwise.attribution"
_TAIL: Final = frozenset({"tail"})

CARDS: Final = (
    Card(
        name="hires-cam",
        title="HiRes-CAM",
        reference="Draelos and Carin 2020",
        recipe=f"{_HERE}.hires_cam:HiResCAM",
        formula="ReLU(sum_k g_k * A_k), cell by cell",
        summary="Every activation multiplied by its own gradient, of either sign.",
        needs=frozenset({"gradients"}),
        passes="1 F + 1 B",
        choice="Rectified, as pytorch-grad-cam shows it; relu=false gives the signed sum that the"
        " paper proves faithful.",
        signed="relu=false",
    ),
    Card(
        name="eigen-cam",
        title="Eigen-CAM",
        reference="Muhammad and Yeasin 2020",
        recipe=f"{_HERE}.eigen_cam:EigenCAM",
        formula="O v_1, O = U S V^T the activations as cells x channels",
        summary="The first principal component of the activations; it knows no class.",
        passes="1 F",
        choice="O as it is; variant=centred subtracts each channel's mean (pytorch-grad-cam). The"
        " sign, which a singular vector does not have, makes the map go with the mean |A_k|.",
        class_agnostic=True,
    ),
    Card(
        name="ablation-cam",
        title="Ablation-CAM",
        reference="Desai and Ramaswamy 2020",
        recipe=f"{_HERE}.ablation_cam:AblationCAM",
        formula="ReLU(sum_k w_k A_k), w_k = (y - y without A_k) / |y|",
        summary="Channels weighted by how much the score falls without them.",
        needs=_TAIL,
        passes="1 F + K h",
        choice="On the logit, divided by |y|: by y as printed (variant=paper), y < 0 turns the sign"
        " of all weights round. variant=difference does not divide. A channel is set to 0;"
        " pytorch-grad-cam sets it to min(A) - 1e7 where the layer's minimum is not 0.",
        signed="relu=false,variant=absolute or relu=false,variant=difference",
    ),
    Card(
        name="recipro-cam",
        title="Recipro-CAM",
        reference="Byun and Lee 2022; for transformers Byun and Lee 2023",
        recipe=f"{_HERE}.recipro_cam:ReciproCAM",
        formula="p_c(A with the cell (i, j) alone)",
        summary="What the network makes of every single cell of the layer, the others zero.",
        needs=_TAIL,
        passes="1 F + Z h",
        choice="The cell alone, as the authors' code runs; window=gaussian weighs what is around"
        " it by [1 2 1; 2 4 2; 1 2 1] / 16 (their code for transformers), window=spread lays the"
        " cell over its neighbours (their code for convolutional networks).",
    ),
    Card(
        name="lift-cam",
        title="LIFT-CAM",
        reference="Jung and Oh 2021",
        recipe=f"{_HERE}.lift_cam:LiftCAM",
        formula="ReLU(sum_k alpha_k A_k), alpha_k = sum_ij C(A_kij), sum_k alpha_k = y(A) - y(0)",
        summary="Channels weighted by their DeepLIFT contributions to the score.",
        needs=_TAIL,
        passes="1 F + 2 h + 1 B",
        choice="Exact behind pooling and a linear layer, the rescale rule where its contributions"
        " add up to y(A) - y(0), else integrated gradients in steps=32 points (32 passes through"
        " the tail and back); details name the rule and the gap.",
        signed="relu=false",
    ),
    Card(
        name="fd-cam",
        title="FD-CAM",
        reference="Li et al. 2022",
        recipe=f"{_HERE}.fd_cam:FDCAM",
        formula="ReLU(sum_k w_k A_k), w_k = exp(minmax s_k) minmax(mean_ij g_k) - 0.5,"
        " s_k = y(group k alone) + y - y(without group k)",
        summary="Gradient weights combined with the effect of switching groups of like channels.",
        needs=frozenset({"gradients", "tail"}),
        passes="1 F + 1 B + 2K h",
        choice="The authors' code, for any network instead of VGG alone. Its quantile theta has no"
        " default there; 0.95 is the value of their demonstration. No division by zero where all"
        " channels weigh the same.",
    ),
)
