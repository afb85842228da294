"""Cards of metrics that ask what a map keeps of the confidence, and what it looks like."""

from __future__ import annotations

from typing import Final

from regionwise.metrics.card import MetricCard

_HERE: Final = "regionwise.metrics"
_JUDGE: Final = frozenset({"judge"})

CARDS: Final = (
    MetricCard(
        name="average-drop",
        title="Average drop",
        reference="Chattopadhyay et al. 2018, Sec. 4.1.1",
        recipe=f"{_HERE}.average_drop:AverageDrop",
        formula="max(0, Y - O) / Y, Y = f(x), O = f(E x)",
        summary="The share of the confidence that is lost when only what the map shows is seen.",
        direction="lower",
        needs=_JUDGE,
        reducer=f"{_HERE}.average_drop:mean_drop",
        choice="Probability, the map as it is, averaged over all images. Variants: score=logit"
        " (ScoreCAM++'s code), keep=top-half (Score-CAM), denominator=epsilon (torch-cam) or none"
        " (pytorch-grad-cam), averaged=dropped (Relevance-CAM), blank=lost (ScoreCAM++: a map that"
        " says nothing loses everything) or undefined (torch-cam). Y <= 0 is undefined.",
    ),
    MetricCard(
        name="increase-in-confidence",
        title="Increase in confidence",
        reference="Chattopadhyay et al. 2018, Sec. 4.1.2",
        recipe=f"{_HERE}.increase_in_confidence:IncreaseInConfidence",
        formula="1 if Y < O, else 0",
        summary="How often the confidence rises when only what the map shows is seen.",
        direction="higher",
        needs=_JUDGE,
        choice="A tie is no increase; strict=false counts it, as ScoreCAM++'s code does.",
    ),
    MetricCard(
        name="win",
        title="Win",
        reference="Chattopadhyay et al. 2018, Sec. 4.1.3; Mitra et al. 2024",
        recipe=f"{_HERE}.win:Win",
        formula="share of images on which O is the largest of all methods",
        summary="How often a method's map keeps more confidence than the others' do.",
        direction="higher",
        range="0 to 1; over all methods it adds up to 1",
        needs=_JUDGE,
        across=f"{_HERE}.win:across",
        choice="Ties are split evenly; ties=first gives them to the first method listed, as"
        " ScoreCAM++'s code does. It depends on who takes part.",
    ),
    MetricCard(
        name="average-drop-in-deletion",
        title="Average drop in deletion",
        reference="Jung and Oh 2021; Chowdhury et al. 2024 (CAPE), Sec. 4.3",
        recipe=f"{_HERE}.deletion_drop:AverageDropInDeletion",
        formula="max(0, Y - D) / Y, D = f((1 - E) x)",
        summary="The share of the confidence that is lost when what the map shows is removed.",
        direction="higher",
        needs=_JUDGE,
        choice="Clamped at 0 as CAPE prints it; clamped=false lets gains count against a map.",
    ),
    MetricCard(
        name="drop-in-logit",
        title="Average drop in logit",
        reference="Mitra et al. 2024 (ScoreCAM++), Table 7",
        recipe=f"{_HERE}.deletion_drop:DropInLogit",
        formula="y(x) - y((1 - E) x)",
        summary="How much the logit of the true class falls when what the map shows is removed.",
        direction="higher",
        range="logits",
        needs=_JUDGE,
        choice="The paper has words only: neither divided nor clamped; of=target takes the"
        " explained class (of=label, the default, needs labels).",
    ),
    MetricCard(
        name="coherency",
        title="Coherency",
        reference="Poppi et al. 2021, Eq. 3",
        recipe=f"{_HERE}.coherency:Coherency",
        formula="(rho(E, E') + 1) / 2, E' the map of E x",
        summary="How far the map stays when only what it shows is explained again.",
        direction="higher",
        needs=frozenset({"again"}),
        choice="(rho + 1) / 2 as in the code; CAPE prints 2 rho + 1 (scale=printed), a port has"
        " (2 rho + 1) / 2 (scale=third-party). 0 where a map is constant.",
    ),
    MetricCard(
        name="complexity",
        title="Complexity",
        reference="Poppi et al. 2021, Eq. 4",
        recipe=f"{_HERE}.complexity:Complexity",
        formula="sum |E| / (h w)",
        summary="How much of the image the map covers.",
        direction="lower",
        choice="Divided by the number of pixels, as in the code; CAPE prints the sum.",
    ),
    MetricCard(
        name="adcc",
        title="ADCC",
        reference="Poppi et al. 2021, Eq. 5",
        recipe=f"{_HERE}.adcc:ADCC",
        formula="3 / (1 / coh + 1 / (1 - com) + 1 / (1 - AD))",
        summary="The harmonic mean of coherency, simplicity and confidence kept.",
        direction="higher",
        needs=frozenset({"again", "judge"}),
        reducer=f"{_HERE}.adcc:reduced",
        choice="Per image, then averaged; 0 if any part is. variant=of-means takes the means first;"
        " variant=code fails where the authors' code does (NaN), and uses the predicted class.",
    ),
    MetricCard(
        name="sparseness",
        title="Sparseness (Gini index)",
        reference="Hurley and Rickard 2009, Eq. 2; Chalasani et al. 2020",
        recipe=f"{_HERE}.complexity:Sparseness",
        formula="1 - 2 sum_k (v_k / sum v) (N - k + 1/2) / N, v = |E| sorted upwards",
        summary="Whether a few pixels hold most of the map.",
        direction="none",
    ),
    MetricCard(
        name="area",
        title="Area",
        reference="descriptive",
        recipe=f"{_HERE}.complexity:Area",
        formula="share of pixels with E > threshold max E",
        summary="How much of the image lies above a threshold of the map.",
        direction="none",
    ),
    MetricCard(
        name="top2-iou",
        title="Overlap of the top-2 maps (IoU)",
        reference="Chowdhury et al. 2024 (CAPE), Sec. 4.3",
        recipe=f"{_HERE}.top2_iou:Top2IoU",
        formula="|S_1 and S_2| / |S_1 or S_2|, S_c = E_c > 0.2 max E_c",
        summary="Whether the maps of the two most probable classes show different places.",
        direction="lower",
        needs=frozenset({"second"}),
        choice="Undefined (NaN) where both masks are empty; the share of those is reported. Lower"
        " is better as CAPE says, but disjoint maps need not be good ones.",
    ),
    MetricCard(
        name="accuracy",
        title="Accuracy",
        reference="descriptive",
        recipe=f"{_HERE}.prediction:Accuracy",
        formula="share of images with argmax_c f_c(x) = label",
        summary="How often the judge is right about the images as they are; no map is asked.",
        direction="higher",
        needs=frozenset({"judge", "labels"}),
        about_map=False,
        choice="Better for a network, but it says nothing of a map: it counts for no ranking of"
        " methods.",
    ),
    MetricCard(
        name="confidence",
        title="Confidence",
        reference="descriptive",
        recipe=f"{_HERE}.prediction:Confidence",
        formula="f_c(x), c the explained class",
        summary="Which probability the judge gives the explained class; no map is asked.",
        direction="none",
        needs=_JUDGE,
        about_map=False,
        choice="Drops are shares of it: networks of different confidence are compared by a judge"
        " at matched confidence, or by a common one.",
    ),
)
