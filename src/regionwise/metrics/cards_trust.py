"""Cards of metrics that hold a map against its own network: axioms and sanity checks."""

from __future__ import annotations

from typing import Final

from regionwise.metrics.card import MetricCard

_HERE = "regionwise.metrics"

CARDS: Final[tuple[MetricCard, ...]] = (
    MetricCard(
        name="implementation-invariance",
        title="Implementation invariance",
        reference="Sundararajan et al. 2017, Sec. 2.2; Kim et al. 2021 (CALM), Sec. 3.1",
        recipe=f"{_HERE}.axioms:ImplementationInvariance",
        formula="max |s - s'|, s' of the network with W_c + v, b_c + t for all classes c",
        summary="Does the map change with weights that change no probability?",
        needs=frozenset({"model", "on_model", "maps"}),
        direction="lower",
        choice="Maps are divided by their largest value first: min-max hides a constant.",
    ),
    MetricCard(
        name="sensitivity",
        title="Sensitivity",
        reference="Sundararajan et al. 2017, Sec. 2.1",
        recipe=f"{_HERE}.axioms:Sensitivity",
        formula="share of patches with |f(x) - f(x without patch)| > tolerance and s not 0",
        summary="Do patches that matter have a say in the map?",
        needs=frozenset({"judge", "maps"}),
        direction="higher",
        choice="Patches instead of pixels: a pixel alone moves hardly any score.",
    ),
    MetricCard(
        name="completeness",
        title="Completeness",
        reference="Sundararajan et al. 2017, Sec. 3; Kim et al. 2021 (CALM), Sec. 4.2",
        recipe=f"{_HERE}.axioms:Completeness",
        formula="|sum_z s_z - f(x)| / |f(x)|",
        summary="Do the cells of the map add up to what they explain?",
        needs=frozenset({"judge", "maps"}),
        direction="lower",
        range="0 or more",
        choice="A gap, and the share of images within a tolerance, instead of equality of floats.",
        reducer=f"{_HERE}.axioms:gap_and_share",
    ),
    MetricCard(
        name="sanity-check",
        title="Sanity check",
        reference="Adebayo et al. 2018, Sec. 3",
        recipe=f"{_HERE}.sanity:SanityCheck",
        formula="similarity(s, s of the network with weights drawn anew)",
        summary="Does the map change when the network forgets what it learnt?",
        needs=frozenset({"model", "on_model", "maps"}),
        direction="lower",
        range="-1 to 1",
        choice="Targets stay. Ranks keep their sign; similarity=spearman-abs does not.",
        reducer=f"{_HERE}.sanity:over_stages",
    ),
)
