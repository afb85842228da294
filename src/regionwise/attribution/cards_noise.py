"""Cards of the methods that run the network on many copies of the image, without torch."""

from __future__ import annotations

from typing import Final

from regionwise.registry import Card

_HERE: Final = "regionwise.attribution"

CARDS: Final = (
    Card(
        name="input-x-gradient",
        title="Input x gradient",
        reference="Shrikumar et al. 2016, Sec. 3",
        recipe=f"{_HERE}.input_x_gradient:InputXGradient",
        formula="sum_colour x dy_c / dx",
        summary="The gradient, times what it is the gradient of.",
        needs=frozenset({"input-gradients"}),
        passes="1 F + 1 B through the whole network",
        choice="Signed and summed over colours; reduce takes absolute values.",
        uses_layer=False,
        signed="reduce=sum",
    ),
    Card(
        name="integrated-gradients",
        title="Integrated gradients",
        reference="Sundararajan et al. 2017, Eq. 1",
        recipe=f"{_HERE}.integrated_gradients:IntegratedGradients",
        formula="sum_colour (x - b) int_0^1 dy_c / dx (b + a (x - b)) da",
        summary="The gradient along the way from a blank image; adds up to the score it gained.",
        passes="51 F + 50 B through the whole network",
        choice="50 Gauss-Legendre points (rule=right: the paper's sum), b = 0 in the units of the"
        " inputs, signed. variant=calm: the mean of the largest absolute gradients over colours,"
        " not times the input, as Kim et al. 2021 ran it; their text adds a Gaussian blur without"
        " its size (blur=SIGMA).",
        uses_layer=False,
        signed="reduce=sum,variant=paper",
    ),
    Card(
        name="smooth-grad",
        title="SmoothGrad",
        reference="Smilkov et al. 2017, Sec. 3",
        recipe=f"{_HERE}.smooth_grad:SmoothGrad",
        formula="max_colour |mean_i dy_c / dx (x + e_i)|, e ~ N(0, (0.15 (max x - min x))^2)",
        summary="The mean gradient of noisy copies.",
        passes="50 F + 50 B through the whole network",
        choice="Mean of signed gradients, as printed; variant=squared: mean of squares, the default"
        " of the authors' code; variant=calm: mean of max-abs maps at level 0.25, as Kim et al."
        " 2021 ran it (their text adds a blur: blur=SIGMA).",
        uses_layer=False,
        signed="reduce=sum,variant=paper or reduce=sum,variant=calm",
    ),
    Card(
        name="var-grad",
        title="VarGrad",
        reference="Adebayo et al. 2018, App. A",
        recipe=f"{_HERE}.smooth_grad:VarGrad",
        formula="max_colour Var_i dy_c / dx (x + e_i), e ~ N(0, (0.15 (max x - min x))^2)",
        summary="The variance of the gradient over noisy copies.",
        passes="50 F + 50 B through the whole network",
        choice="Population variance per colour; variant=calm: of max-abs maps at level 0.25, as Kim"
        " et al. 2021 ran it (their text adds a blur: blur=SIGMA).",
        uses_layer=False,
    ),
    Card(
        name="smooth-grad-cam++",
        title="Smooth Grad-CAM++",
        reference="Omeiza et al. 2019, Sec. 3",
        recipe=f"{_HERE}.smooth_grad_cam_pp:SmoothGradCAMpp",
        formula="w_k = sum_ij alpha_kij ReLU(D1_kij), alpha = D2 / (2 D2 + (sum_ab A_k) D3),"
        " Dp = mean_i g^p (x + e_i)",
        summary="Grad-CAM++ with derivatives averaged over noisy copies.",
        passes="25 F + 25 B",
        choice="D2 is the numerator of alpha, so that without noise it is Grad-CAM++;"
        " variant=first-order has D1 there, as torch-cam reports the paper. 25 copies and level"
        " 0.15 (of the range) are the port's. Variants yiskw713 (mean of min-maxed maps; noise"
        " divided by the range) and torch-cam (gradient and activations of the last copy; 4 copies,"
        " sigma 0.3).",
    ),
    Card(
        name="augmented-grad-cam",
        title="Augmented Grad-CAM",
        reference="Morbidelli et al. 2020, Eq. 4",
        recipe=f"{_HERE}.augmented_grad_cam:AugmentedGradCAM",
        formula="argmin_h sum_l |D A_l h - g_l|^2 + 0.002 L TV(h) + 0.0001 L |h|^2",
        summary="One fine map that explains the Grad-CAMs of turned and shifted copies.",
        passes="100 F + 100 B, and a minimisation",
        choice="The authors' code: Grad-CAMs over their maxima, Adam from 0, rate 0.001, 200 steps."
        " D is the mean over a cell, where their code reads single pixels, and TV is rounded off at"
        " 0.001, or rounding would decide. combine=mean or max of"
        " the maps brought back.",
        differentiable=False,
        planar=True,
    ),
    Card(
        name="augmented-grad-cam++",
        title="Augmented Grad-CAM++",
        reference="Gao et al. 2023 (abstract)",
        recipe=f"{_HERE}.augmented_grad_cam_pp:AugmentedGradCAMpp",
        formula="mean_l A_l^-1 Up(GradCAM++(A_l X))",
        summary="Grad-CAM++ maps of turned and shifted copies, brought back and averaged.",
        passes="20 F + 20 B",
        choice="After the abstract, with the turns and shifts of Augmented Grad-CAM; the number of"
        " copies is ours. Variants: repository-mended (ScoreCAM++'s baseline: maps added where they"
        " lie, never brought back) and repository (as it was: copy r explains class r).",
        planar=True,
    ),
)
