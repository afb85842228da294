"""Cards of metrics that hold a map against known regions: objects, cues, segments, parts."""

from __future__ import annotations

from typing import Final

from regionwise.metrics.card import MetricCard

_HERE = "regionwise.metrics"

CARDS: Final[tuple[MetricCard, ...]] = (
    MetricCard(
        name="pointing-game",
        title="Pointing game",
        reference="Zhang et al. 2018; TorchRay",
        recipe=f"{_HERE}.pointing_game:PointingGame",
        formula="[distance(argmax s, region) < 15 px]",
        summary="Does the brightest pixel lie on, or near, the object?",
        needs=frozenset({"regions"}),
        direction="higher",
        reducer=f"{_HERE}.pointing_game:by_class",
        choice="Of several brightest pixels, the share that hits counts. TorchRay takes the first"
        " by rows (ties=first), Quantus a hit if any hits (ties=any, tolerance=0). The mean over"
        " classes, TorchRay's answer, stands beside the mean over images.",
    ),
    MetricCard(
        name="energy-pointing-game",
        title="Energy pointing game",
        reference="Wang et al. 2020 (Score-CAM)",
        recipe=f"{_HERE}.energy_game:EnergyPointingGame",
        formula="sum_boxes s / sum s",
        summary="Which share of the map lies in the object's boxes?",
        needs=frozenset({"boxes"}),
        direction="higher",
        reducer=f"{_HERE}.energy_game:with_chance",
        choice="Rows are rows: the authors' code swaps the axes. Boxes are half-open; a map that"
        " sums to zero has no share. The share of the area is kept as chance. The paper takes"
        " images with one box of at most half the picture (one_box=true,largest=0.5).",
    ),
    MetricCard(
        name="relevance-mass",
        title="Relevance mass accuracy",
        reference="Arras et al. 2022",
        recipe=f"{_HERE}.energy_game:RelevanceMass",
        formula="sum_mask s / sum s",
        summary="Which share of the map lies in the mask of the object, or of the cue?",
        needs=frozenset({"regions"}),
        direction="higher",
        reducer=f"{_HERE}.energy_game:with_chance",
    ),
    MetricCard(
        name="object-coverage",
        title="Coverage of several objects",
        reference="Mitra et al. 2024 (ScoreCAM++), Sec. 6.2",
        recipe=f"{_HERE}.object_coverage:ObjectCoverage",
        formula="share of boxes with mean_box s > mean_outside s",
        summary="How many of the objects in a picture does the map cover?",
        needs=frozenset({"boxes"}),
        direction="higher",
        choice="The paper shows pictures only; the number is ours.",
    ),
    MetricCard(
        name="pxap",
        title="Pixel average precision (PxAP)",
        reference="Choe et al. 2020",
        recipe=f"{_HERE}.pixel_metrics:PxAP",
        formula="sum_i (R_i - R_{i-1}) P_i",
        summary="How well does the map rank the object's pixels above the others?",
        needs=frozenset({"regions"}),
        direction="higher",
        reducer=f"{_HERE}.pixel_metrics:pooled_precision",
        choice="Exact by sorting, equal values as one threshold; the published histogram is"
        " bins=even. Pixels of all images are pooled; the mean per image stands beside it.",
    ),
    MetricCard(
        name="cue-localisation",
        title="Cue localisation (mPxAP)",
        reference="Kim et al. 2021 (CALM), Sec. 5.2",
        recipe=f"{_HERE}.pixel_metrics:CueLocalisation",
        formula="mean over pairs (a, b) of the PxAP of |s_a - s_b|",
        summary="Does the difference of two classes' maps lie where the classes differ?",
        needs=frozenset({"maps", "second_maps", "second_targets", "regions"}),
        direction="higher",
        reducer=f"{_HERE}.pixel_metrics:mean_over_pairs",
        columns=("1 part", "2 parts", "3 parts"),
        choice="Each pair starts anew, all pixels count, and maps are normalised before they are"
        " subtracted (paper). The authors' code subtracts raw maps (order=difference-first), has"
        " histograms (bins=even or log) and never resets them (kept as `cumulative`).",
    ),
    MetricCard(
        name="max-box-acc",
        title="MaxBoxAcc",
        reference="Choe et al. 2020",
        recipe=f"{_HERE}.box_metrics:MaxBoxAcc",
        formula="max_tau share of images with IoU(box(s > tau), truth) >= 0.5",
        summary="Does the box around the largest bright region fit the object?",
        needs=frozenset({"boxes"}),
        direction="higher",
        reducer=f"{_HERE}.box_metrics:best_threshold",
        choice="8-connected components and half-open boxes. The published code (variant="
        "wsolevaluation) outlines bytes and has boxes one pixel too large. As published, tau is"
        " chosen on the images that are scored; `crossed` chooses it on the other half. Maps come"
        " resized bilinearly; the published code resizes them bicubically.",
    ),
    MetricCard(
        name="max-box-acc-v2",
        title="MaxBoxAccV2",
        reference="Choe et al. 2020",
        recipe=f"{_HERE}.box_metrics:MaxBoxAccV2",
        formula="mean over delta in 0.3, 0.5, 0.7 of max_tau share of images with IoU >= delta",
        summary="Does the box around some bright region fit the object?",
        needs=frozenset({"boxes"}),
        direction="higher",
        reducer=f"{_HERE}.box_metrics:best_threshold",
        choice="As for max-box-acc; tau is chosen for every delta apart.",
    ),
    MetricCard(
        name="attention-placement",
        title="Attention placement",
        reference="Chowdhury et al. 2024 (CAPE), supplement, Table 6",
        recipe=f"{_HERE}.attention_placement:AttentionPlacement",
        formula="sum_zone |s| / sum |s|, zones = segments and bands around their boundaries",
        summary="Which share of the map lies on which segment, and on their boundaries?",
        needs=frozenset({"segments"}),
        direction="none",
        reducer=f"{_HERE}.attention_placement:mean_by_zone",
        choice="The paper gives no width of a boundary: 5 pixels on either side.",
    ),
    MetricCard(
        name="causal-part-score",
        title="Causal part score",
        reference="Regionwise; after Hesse et al. 2023 (FunnyBirds)",
        recipe=f"{_HERE}.causal_parts:CausalPartScore",
        formula="spearman_p(sum_p s / sum |s|, f(x) - f(x with p changed))",
        summary="Does the map weigh the parts as the network does?",
        needs=frozenset({"parts", "edited", "judge"}),
        direction="higher",
        range="-1 to 1",
        reducer=f"{_HERE}.causal_parts:per_image_and_pooled",
    ),
)
