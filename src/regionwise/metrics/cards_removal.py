"""Cards of metrics that remove pixels in the order of a map."""

from __future__ import annotations

from typing import Final

from regionwise.metrics.card import MetricCard

_HERE: Final = "regionwise.metrics"

CARDS: Final = (
    MetricCard(
        name="deletion",
        title="Deletion AUC",
        reference="Petsiuk et al. 2018 (RISE), Sec. 4.2",
        recipe=f"{_HERE}.insertion_deletion:Deletion",
        formula="area under f(x without the top share p), p from 0 to 1",
        summary="How fast the score falls as pixels go, the most salient first.",
        direction="lower",
        needs=frozenset({"judge"}),
        choice="100 equal shares of the pixels, mean colour, equal values in reading order. RISE's"
        " code: pixels=224,ties=last; torch-cam: pixels = a twentieth, rounded up; xplique:"
        " steps=10; Group-CAM: pixels=448; metrics-saliency-maps: resolution=map,pixels=1.",
    ),
    MetricCard(
        name="insertion",
        title="Insertion AUC",
        reference="Petsiuk et al. 2018 (RISE), Sec. 4.2",
        recipe=f"{_HERE}.insertion_deletion:Insertion",
        formula="area under f(b with the top share p of x), p from 0 to 1",
        summary="How fast the score rises as pixels come, the most salient first.",
        direction="higher",
        needs=frozenset({"judge"}),
        choice="From RISE's blur (11 pixels, deviation 5). Variants: fill=mean (torch-cam,"
        " xplique), fill=blur-group-cam, fill=box (metrics-saliency-maps); steps as for deletion.",
    ),
    MetricCard(
        name="remove-and-classify",
        title="Remove and classify",
        reference="Kim et al. 2021 (CALM), Sec. 4.3",
        recipe=f"{_HERE}.remove_and_classify:RemoveAndClassify",
        formula="R_k = A_k / A_k^r, accuracies without the top k % and without k % by chance",
        summary="How much faster accuracy falls by the map's order than by chance.",
        direction="lower",
        range="0 and up; 1 is chance",
        needs=frozenset({"judge", "labels"}),
        reducer=f"{_HERE}.remove_and_classify:reduced",
        choice="Blurred, as the paper says; its script uses fill=mean. Scattered pixels are the"
        " published reference; blobs of the map's own shape are reported beside it. The map is"
        " meant to be that of the label.",
    ),
    MetricCard(
        name="road",
        title="ROAD",
        reference="Rong et al. 2022, Sec. 4.2 and 5",
        recipe=f"{_HERE}.road:ROAD",
        formula="mean_p (f(x without the bottom p) - f(x without the top p)) / 2",
        summary="Whether removing by the map hurts more than removing against it, without traces.",
        direction="higher",
        range="-0.5 to 0.5",
        needs=frozenset({"judge"}),
        reducer=f"{_HERE}.road:reduced",
        choice="One number as in pytorch-grad-cam (its score=logit,noise=0.01); both curves, and"
        " accuracies where labels are known, are kept. Shares are of removed pixels in both orders;"
        " the authors' code counts LeRF by what is kept.",
    ),
)
