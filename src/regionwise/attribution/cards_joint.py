"""Cards of the methods that read a self-explaining network, without torch."""

from __future__ import annotations

from typing import Final

from regionwise.registry import Card

_HERE: Final = "regionwise.attribution"
_JOINT: Final = frozenset({"joint"})

CARDS: Final = (
    Card(
        name="cape",
        title="CAPE",
        reference="Chowdhury et al. 2024, Eq. 3, 7 and 8",
        recipe=f"{_HERE}.cape:CAPE",
        formula="P_cij = softmax_c(M'_ij)_c softmax_ij(mean_c M'), sum_ij P_cij = p_c",
        summary="What each region contributes to the probability, exactly: values add up to it.",
        needs=_JOINT,
        passes="1 F",
        signed="quantity=counterfactual",
        choice="Needs a network with a CAPE head. head=off-the-shelf and head=naive-average read"
        " the vanilla head of a pooling + linear network instead; the probability they split up is"
        " that of the re-read network. Eq. 9 as printed does not add up; the code and Eq. 8 do.",
    ),
    Card(
        name="mu-cape",
        title="mu-CAPE",
        reference="Chowdhury et al. 2024, Sec. 3.2.3",
        recipe=f"{_HERE}.cape:MuCAPE",
        formula="ReLU(M'_c + mean_c M')",
        summary="CAPE before its softmaxes: also what classes have in common; adds up to nothing.",
        needs=_JOINT,
        passes="1 F",
        choice="Needs a network with a CAPE head; head=off-the-shelf reads a vanilla head.",
    ),
    Card(
        name="calm",
        title="CALM",
        reference="Kim et al. 2021, Eq. 7 and Sec. 4.1.3",
        recipe=f"{_HERE}.calm:CALM",
        formula="s_z = p(c, z | x) = p(c | x, z) p(z | x), sum_z s_z = p(c | x)",
        summary="Probability that the cue was here and the class is this one.",
        needs=_JOINT,
        passes="1 F",
        signed="quantity=counterfactual",
        choice="Needs a network with a CALM head. quantity=attribution, saliency p(z|x),"
        " conditional p(c|x,z) as printed, posterior p(z|x,c) (what the code draws as conditional),"
        " subset (classes=all, self, family, 3+5+9 or a file: CALM + Y), counterfactual p(c,z|x) -"
        " p(c',z|x).",
    ),
)
