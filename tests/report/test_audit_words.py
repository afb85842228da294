"""The answer in plain words, by hand."""

from dataclasses import replace
from math import nan

import pytest

from audits import audit, checked, contrast, curve, exact
from regionwise.report.audit_comparing import listed
from regionwise.report.audit_result import Curves, Ranked, Redrawn, Total
from regionwise.report.audit_words import headline_of, statements_of


def said(given):
    return {one.title: (one.grade, one.text) for one in statements_of(given)}


WEAK = Curves(curve(0.55), curve(0.8))
STIFF = Redrawn((1.0,), ((0.95,),))


def test_the_headline_tells_the_good_from_the_weak():
    rows = [checked("cam"), checked("a", curves=WEAK), checked("b", curves=WEAK, redrawn=STIFF)]
    assert headline_of(audit(checked())) == "cam passed every check that was run."
    assert headline_of(audit(*rows)) == (
        "cam passed every check that was run; a failed in deletion;"
        " b failed in deletion and weights drawn anew."
    )


def test_the_headline_leaves_controls_and_blank_maps_out():
    given = audit(checked("centre", control=True), checked("cam", blank=("zero gradient",)))
    assert headline_of(given).startswith("There is no map here")
    assert headline_of(exact()).startswith("The region percentages are exact. cape passed")


@pytest.mark.parametrize(
    ("changes", "grade", "words"),
    [
        ({}, "holds", "gives wren 50.0%, and robin 20.0%, of 4 classes."),
        ({"target": Ranked(0, "wren", 0.49)}, "fails", "Chance is 25.0%: there is hardly"),
        ({"target": Ranked(0, "wren", 0.49), "exclusive": False}, "partly", "of 4 classes."),
        ({"target": Ranked(0, "wren", 0.49), "classes": 40}, "partly", "of 40 classes."),
        ({"target": Ranked(3, "owl", 0.1)}, "fails", "gives owl 10.0%, and wren 50.0%"),
    ],
)
def test_a_prediction_that_is_none_is_told(changes, grade, words):
    found = said(audit(**changes))["The prediction"]
    assert found[0] == grade
    assert words in found[1]


def test_random_weights_have_learnt_nothing():
    given = audit()
    given.provenance["model"]["weights"] = "random"
    assert headline_of(given).startswith("The prediction itself says little. cam passed")
    assert said(given)["The prediction"][0] == "fails"
    assert "it has learnt nothing" in said(given)["The prediction"][1]


def test_percentages_are_exact_or_said_not_to_be():
    grade, text = said(exact())["Percentages"]
    assert grade == "holds"
    assert "among 6 regions" in text
    assert "add up to 0.5000000, the network says 0.5000000, and the difference is 0.0e+00" in text
    assert "4 of 6 regions hold 100.0% of the 50.0%" in text
    wrong = Total("completeness", 0.25, 0.5, complete=False)
    grade, text = said(exact(total=wrong))["Percentages"]
    assert grade == "fails"
    assert "the difference is -2.5e-01" in text


def test_other_heads_give_none_but_a_claim_is_measured():
    total = Total("completeness:baseline=zeros,score=logit", 3.0, 0.031, complete=False)
    grade, text = said(audit(checked("integrated-gradients", total=total)))["Percentages"]
    assert grade == "unknown"
    assert text.startswith("No exact percentages: this head does not give them.")
    assert "integrated-gradients should add up to a change of the logit and are 3.10% off" in text


def test_the_order_of_the_pixels_against_chance_and_control():
    control = checked("centre", control=True, curves=Curves(curve(0.25), curve(0.5)))
    grade, text = said(audit(checked(), checked("b", curves=WEAK), control))[
        "The order of the pixels"
    ]
    assert grade == "partly"
    assert "faster than chance for 1 of 2 maps (area 0.2 to 0.55; 20 random orders of" in text
    assert "cells 0.4 to 0.5). Insertion raises the probability faster than chance for 2" in text
    assert (
        "The control centre, which does not know the network, has the areas 0.25 and 0.5:" in text
    )
    assert "it passes deletion, so that to pass says little here." in text
    alone = said(audit(checked()))["The order of the pixels"]
    assert alone[0] == "holds"
    assert "control" not in alone[1]


def test_maps_that_coincide_are_no_second_opinion():
    rows = checked("cam"), checked("grad-cam"), checked("layer-cam")
    table = ((1.0, 0.99, 0.5), (0.99, 1.0, 0.5), (0.5, 0.5, 1.0))
    same = (("cam", "grad-cam"),)
    grade, text = said(audit(*rows, agreement=table, same=same))["Agreement"]
    assert grade == "partly"
    assert "The same map here, and no second opinion: cam and grad-cam." in text
    assert "0.50 (" in text
    assert "0.99" not in text
    grade, text = said(audit(*rows[:2], same=same))["Agreement"]
    assert grade == "unknown"
    assert "no two different maps" in text


def test_agreement_leaves_controls_aside():
    rows = checked("cam"), checked("layer-cam"), checked("centre", control=True)
    table = ((1.0, 0.75, 0.1), (0.75, 1.0, 0.3), (0.1, 0.3, 1.0))
    grade, text = said(audit(*rows, agreement=table))["Agreement"]
    assert grade == "holds"
    assert "0.75 (cam, layer-cam)." in text
    assert "With centre, which does not know the network: 0.10 to 0.30." in text


def test_the_worst_map_decides_what_is_said_of_weights_and_noise():
    rows = checked("cam"), checked("b", redrawn=STIFF, noisy=(0.5, nan))
    found = said(audit(*rows))
    assert found["What was learnt"][0] == "fails"
    assert "0.00 (cam), 0.95 (b), so a map hardly depends" in found["What was learnt"][1]
    assert found["Small noise"][0] == "fails"
    assert "0.50 to 0.99; the probability is then 49.0 to 51.0%." in found["Small noise"][1]
    none = said(audit(checked("rise", redrawn=None, noisy=None)))
    assert not {"What was learnt", "Small noise"} & set(none)


def test_the_other_class_is_told_with_both_probabilities():
    text = said(exact())["Against another class"][1]
    assert "without 10% of the pixels it has 40.0%, and robin 45.0%" in text
    assert "robin is ahead from 10% on." in text
    fine = curve(0.2), curve(0.3, scores=(0.2, 0.45, 0.4, 0.1))
    fine = [replace(one, levels=(0.0, 0.02, 0.11, 0.5)) for one in fine]
    text = said(audit(contrast=contrast(target_curve=fine[0], other_curve=fine[1])))
    assert ": without 11% of the pixels" in text["Against another class"][1]
    never = replace(contrast(), other_curve=curve(0.1, scores=(0.2, 0.2, 0.2, 0.1)))
    assert "ahead" not in said(audit(contrast=never))["Against another class"][1]
    assert "Against another class" not in said(audit())


def test_names_in_a_sentence():
    assert [listed(n) for n in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
