"""Cards of the methods that look at masked images. Nothing here imports torch."""

from __future__ import annotations

from typing import Final

from regionwise.registry import Card

_HERE: Final = "regionwise.attribution"
_MASKED: Final = frozenset({"masked-scores"})
_BOTH: Final = frozenset({"gradients", "masked-scores"})

CARDS: Final = (
    Card(
        name="union-cam",
        title="UnionCAM",
        reference="Hu et al. 2024, Eq. 1-8",
        recipe=f"{_HERE}.union_cam:UnionCAM",
        formula="b_D L_D + b_R L_R where it scores more than L_R, L_R otherwise;"
        " L_D = sum_k W_k A_k / sum(W_k), W_k the positive gradients from the 10th percentile on",
        summary="A denoised gradient map and a Score-CAM, united and weighed by their own scores.",
        needs=_BOTH,
        passes="1 F + 1 B + (K + 4) F",
        choice="The paper leaves open what is scored and how maps are scaled; here: the class"
        " probability; maps in [0, 1] as masks and before the union (scale=raw: as they are);"
        " what is masked, and the black image, is 0 in the units of the inputs. A tie goes to the"
        " region map, and so does a union of two negative weights, which would be an inverted map"
        " (negative=printed: it may be chosen, as in Eq. 8, and is flagged)."
        " alpha as printed gives every channel the total weight 1; alpha=count divides by the"
        " number of positive gradients. denoise, unite and select switch the modules off.",
    ),
    Card(
        name="group-cam",
        title="Group-CAM",
        reference="Zhang et al. 2021",
        recipe=f"{_HERE}.group_cam:GroupCAM",
        formula="sum_g ReLU(p_c(X o H_g + X_blur o (1 - H_g)) - p_c(X_blur)) M_g,"
        " M_g = ReLU(sum_(k in g) mean(g_k) A_k)",
        summary="Grad-CAM's channels in groups, weighed by what each shows on a blurred image.",
        needs=_BOTH,
        passes="1 F + 1 B + (G + 1) F",
        choice="Groups in order, a blur of 51 x 51 pixels with sigma 50, mirrored at the border;"
        " constant groups are left out. variant=denoised: the authors' later code (70th percentile,"
        " masks summed, signed gains).",
    ),
    Card(
        name="rise",
        title="RISE",
        reference="Petsiuk et al. 2018, Eq. 6",
        recipe=f"{_HERE}.rise:RISE",
        formula="1 / (N p) sum_i p_c(X o m_i) m_i",
        summary="Random masks, weighed by the probability that they leave to the class.",
        needs=_MASKED,
        passes="(N + 1) F, N = 4000",
        choice="N = 4000 and p = 0.5 on 7 x 7 cells, the paper's numbers for VGG (8000 for ResNet);"
        " the authors' notebooks use 5000 or 6000 masks of 8 or 10 cells with p = 0.1. All images"
        " see the same masks.",
        uses_layer=False,
    ),
    Card(
        name="occlusion",
        title="Occlusion",
        reference="Zeiler and Fergus 2014, Sec. 4.2",
        recipe=f"{_HERE}.occlusion:Occlusion",
        formula="mean over windows that cover the pixel of p_c(X) - p_c(X without the window)",
        summary="The probability that is lost where a window hides the image.",
        needs=_MASKED,
        passes="(W + 1) F, W = windows, about 100",
        choice="The paper gives no size; here a window of a fifth of the shorter side moves by half"
        " of itself, and the last one ends at the border. It shows 0 in the units of the inputs.",
        uses_layer=False,
        signed=True,
    ),
    Card(
        name="ss-cam",
        title="SS-CAM",
        reference="Wang et al. 2020 (SS-CAM)",
        recipe=f"{_HERE}.smooth_score_cam:SSCAM",
        formula="ReLU(sum_k w_k A_k), w = softmax_k(mean_i y_c(X o (H_k + e_i))), e ~ N(0, 2^2)",
        summary="Score-CAM's scores, averaged over noise on the masks.",
        needs=_MASKED,
        passes="(35 K + 1) F",
        choice="Logit, softmax over channels and N = 35, sigma = 2, as torch-cam reports the paper;"
        " a baseline would drop out of the softmax. variant=inputs: noise on the image (SS-CAM 2);"
        " torch-cam: masks normalised before upsampling.",
    ),
    Card(
        name="is-cam",
        title="IS-CAM",
        reference="Naidu et al. 2020",
        recipe=f"{_HERE}.smooth_score_cam:ISCAM",
        formula="ReLU(sum_k w_k A_k), w = softmax_k(mean_i y_c(i / N X o H_k)), i = 1 ... N",
        summary="Score-CAM's scores, averaged while the mask grows from nothing.",
        needs=_MASKED,
        passes="(10 K + 1) F",
        choice="A path from no mask to the whole; variant=torch-cam scales the mask by the running"
        " sum of i / N, which ends at (N + 1) / 2.",
    ),
)
