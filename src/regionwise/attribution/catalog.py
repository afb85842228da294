"""The cards of all built-in methods. Nothing here imports torch."""

from __future__ import annotations

from typing import Final

from regionwise.attribution.cards_joint import CARDS as JOINT_CARDS
from regionwise.attribution.cards_masking import CARDS as MASKING_CARDS
from regionwise.attribution.cards_noise import CARDS as NOISE_CARDS
from regionwise.attribution.cards_tail import CARDS as TAIL_CARDS
from regionwise.registry import Card, Registry

methods: Final[Registry[Card]] = Registry("method", "regionwise.methods")
"""All methods that can be named, in the order in which they are listed."""

_HERE: Final = "regionwise.attribution"
_GRADIENTS: Final = frozenset({"gradients"})

methods.add(
    Card(
        name="cam",
        title="CAM",
        reference="Zhou et al. 2016, Eq. 2",
        recipe=f"{_HERE}.cam:CAM",
        formula="M_c = sum_k W_ck A_k",
        summary="The class weights of a pooling + linear network, applied to every cell.",
        needs=frozenset({"pooled-head"}),
        passes="1 F",
        choice="Signed and without bias, as printed; bias=true adds b_c (as CAPE and CALM do)."
        " classes=all, family, 3+5+9 or a file adds up the min-maxed maps of a set of classes, as"
        " CALM's code does (CAM + Y).",
        signed="classes=self",
    )
)
methods.add(
    Card(
        name="grad-cam",
        title="Grad-CAM",
        reference="Selvaraju et al. 2017, Eq. 1-2",
        recipe=f"{_HERE}.grad_cam:GradCAM",
        formula="ReLU(sum_k mean_ij(g_k) A_k)",
        summary="Channels weighted by their mean gradient.",
        needs=_GRADIENTS,
        passes="1 F + 1 B",
        choice="relu=false gives the signed map (as captum's LayerGradCam does).",
        signed="relu=false",
    )
)
methods.add(
    Card(
        name="grad-cam++",
        title="Grad-CAM++",
        reference="Chattopadhyay et al. 2018, Eq. 10 and 19",
        recipe=f"{_HERE}.grad_cam_pp:GradCAMpp",
        formula="w_k = sum_ij alpha_kij ReLU(g_kij), alpha = g^2 / (2 g^2 + (sum_ab A_k) g^3)",
        summary="Channels weighted by gradients that second and third order terms re-weigh.",
        needs=_GRADIENTS,
        passes="1 F + 1 B",
        choice="Eq. 19 as printed; variants: official (alpha sums to one per channel), local-sum"
        " (A inside the sum, most ports), torch-cam (alpha = g^2).",
    )
)
methods.add(
    Card(
        name="xgrad-cam",
        title="XGrad-CAM",
        reference="Fu et al. 2020, Eq. 8",
        recipe=f"{_HERE}.xgrad_cam:XGradCAM",
        formula="ReLU(sum_k w_k A_k), w_k = sum_ij A_kij g_kij / sum_ij A_kij",
        summary="Channels weighted by the gradient where they are active.",
        needs=_GRADIENTS,
        passes="1 F + 1 B",
        choice="No epsilon: a channel whose activations sum to zero weighs nothing.",
        signed="relu=false",
    )
)
methods.add(
    Card(
        name="layer-cam",
        title="Layer-CAM",
        reference="Jiang et al. 2021, Eq. 6-7",
        recipe=f"{_HERE}.layer_cam:LayerCAM",
        formula="ReLU(sum_k ReLU(g_k) A_k)",
        summary="Every cell weighted by its own positive gradient.",
        needs=_GRADIENTS,
        passes="1 F + 1 B",
    )
)
methods.add(
    Card(
        name="score-cam",
        title="Score-CAM",
        reference="Wang et al. 2020, Eq. 3-6 and Algorithm 1",
        recipe=f"{_HERE}.score_cam:ScoreCAM",
        formula="ReLU(sum_k p_c(X o H_k) A_k), H_k = minmax(Up(A_k))",
        summary="Channels weighted by what the network makes of the image masked with them.",
        needs=frozenset({"masked-scores"}),
        passes="(K + 1) F, with budget=B (B + 1) F",
        choice="The authors' code: class probability of the masked image. Variants: paper"
        " (Algorithm 1: logit minus baseline logit, softmax over channels), pytorch-grad-cam"
        " (logit, softmax over channels), torch-cam (masks normalised before upsampling)."
        " budget=B is ours: B channels are scored, the others guessed; an unbiased estimate of the"
        " map before its ReLU, with a standard error in every cell.",
    )
)
methods.add(
    Card(
        name="score-cam++",
        title="ScoreCAM++",
        reference="Mitra et al. 2024, Eq. 8-12",
        recipe=f"{_HERE}.score_cam_pp:ScoreCAMpp",
        formula="ReLU(sum_k p_c(X o S_k) S_k), S_k = tanh(Up(A_k))",
        summary="Score-CAM whose masks and summands are gated by tanh.",
        needs=frozenset({"masked-scores"}),
        passes="(K + 1) F, with budget=B (B + 1) F",
        choice="Nothing is subtracted, as in the authors' code: Eq. 10 as printed subtracts the"
        " score of the whole image and gives blank maps (variant=equation). budget=B as in"
        " score-cam.",
    )
)
for card in (*TAIL_CARDS, *MASKING_CARDS, *NOISE_CARDS, *JOINT_CARDS):
    methods.add(card)
methods.add(
    Card(
        name="gradient",
        title="Gradient",
        reference="Simonyan et al. 2014, Sec. 3",
        recipe=f"{_HERE}.gradient:Gradient",
        formula="max_colour |d y_c / d x|",
        summary="How much each pixel would move the score.",
        needs=frozenset({"input-gradients"}),
        passes="1 F + 1 B through the whole network",
        choice="The largest absolute value over colours; reduce=sum keeps the sign.",
        uses_layer=False,
        signed="reduce=sum",
    )
)
methods.add(
    Card(
        name="random",
        title="Random (control)",
        reference="control",
        recipe=f"{_HERE}.controls:Random",
        formula="uniform noise on the layer's grid",
        summary="What a map scores that knows nothing.",
        passes="1 F",
        class_agnostic=True,
        differentiable=False,
    )
)
methods.add(
    Card(
        name="centre",
        title="Centre (control)",
        reference="control",
        recipe=f"{_HERE}.controls:Centre",
        formula="exp(-r^2 / (2 s^2)), r from the middle in half diagonals",
        summary="What a map scores that knows only that photographers centre their subject.",
        passes="1 F",
        class_agnostic=True,
        differentiable=False,
        planar=True,
    )
)
methods.add(
    Card(
        name="edges",
        title="Edges (control)",
        reference="control; Sobel and Feldman 1968",
        recipe=f"{_HERE}.controls:Edges",
        formula="sqrt(Gx^2 + Gy^2) of the mean over colours",
        summary="What a map scores that knows the image but not the network.",
        passes="1 F",
        class_agnostic=True,
        uses_layer=False,
        differentiable=False,
        planar=True,
    )
)
