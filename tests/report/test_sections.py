"""Sections of a benchmark's page, by hand: what they say, and what they leave out."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from regionwise.attribution.result import Attribution
from regionwise.benchmark.advice import Advice, Standing
from regionwise.benchmark.agreement import Agreement
from regionwise.benchmark.answers import Answer
from regionwise.benchmark.cases import Shown
from regionwise.benchmark.curves import RATIO, Curves
from regionwise.benchmark.explained import Explained
from regionwise.benchmark.per_image import PerImage
from regionwise.benchmark.questions import Main, Question
from regionwise.benchmark.reading import Table
from regionwise.errors import InputError
from regionwise.report.agreement_section import agreement_section
from regionwise.report.answer_section import answer_section, seconds
from regionwise.report.curves_section import curves_section
from regionwise.report.gallery_cards import card_of, never
from regionwise.report.gallery_section import Choice, Gallery, gallery_section
from regionwise.report.number_cells import provenance

NAN = float("nan")


def words(markup):
    """Return the words of a piece of a page, as they are read."""

    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.found = []

        def handle_data(self, data):
            self.found.append(data)

    reader = Reader()
    reader.feed(markup)
    return " ".join("".join(reader.found).split())


def answer(method, value, **changes):
    table = Table("pxap", "id", "net", "hash", "")
    made = Answer(table, "predicted", method, "higher", 40, value, NAN, NAN, 0.0, value, NAN)
    return replace(made, **changes)


def advice(**changes):
    answers = (answer("good", 0.8), answer("fair", 0.7), answer("bad", 0.1), answer("centre", 0.5))
    standing = Standing(
        main=Main(Question("where", "lies on the object", ("pxap",)), answers),
        best=answers[0],
        equal=("fair",),
        worse={"bad": 0.01},
        tested=True,
        cheapest="fair",
        weak={},
        control=answers[3],
    )
    standing = replace(standing, **changes)
    times = {"good": 2.0, "fair": 0.02}
    return Advice("net", (standing,), "fair", (), (), times)


def said(**changes):
    return words(answer_section([advice(**changes)]))


def test_the_answer_is_given_in_words():
    found = said()
    assert "For net, on this data: fair." in found
    assert "not told apart from the best by 1 of the 1 main metrics" in found
    assert "takes 20 ms an image" in found
    assert "lies on the object (pxap ↑): best is good, 0.800 on 40 pictures." in found
    assert "Not told apart from it: fair." in found
    assert "The fastest of these that no control outdoes: fair, 0.700 in 20 ms" in found
    assert "against 2 s" in found
    assert "hardly anything" not in found


def test_doubts_are_said():
    assert "No test speaks for it" in said(tested=False)
    assert "no paired test can be made" in said(tested=False)
    assert "All other methods are shown to be worse." in said(equal=())
    assert "No other method is shown to be worse." in said(equal=("fair", "bad"))
    assert "No method is shown to be better than the control centre" in said(
        weak={"centre": ("good", "fair", "bad")}
    )
    assert "Only bad is shown to be better" in said(weak={"centre": ("good", "fair")})
    assert "bad is not shown to be better" in said(weak={"centre": ("bad",)})
    assert "It is not shown to be better than the control random by pxap" in said(
        weak={"random": ("fair",)}
    )
    outdone = said(control=answer("centre", 0.9))
    assert "The control centre is as good or better: 0.900." in outdone
    one = advice().standings[0]
    few = tuple(replace(a, images=8) for a in one.main.answers)
    assert "With 8 pictures hardly anything" in said(main=replace(one.main, answers=few))


def test_what_is_missed_and_what_coincides_is_said():
    one = advice()
    missed = replace(one, pick="bad", missed=one.standings, same=(("cam", "grad-cam"),))
    found = words(answer_section([missed]))
    assert "By pxap ↑ good is better (p = 0.01)." in found
    assert "All numbers of cam and grad-cam agree" in found
    assert answer_section([]) == ""


@pytest.mark.parametrize(
    ("time", "shown"), [(0.0132, "13 ms"), (0.9951, "0.995 s"), (4.4839, "4.48 s"), (NAN, "?")]
)
def test_times_are_short(time, shown):
    assert seconds(time) == shown


def test_a_number_says_where_it_comes_from():
    found = provenance(answer("cam", 0.25, low=0.1, high=0.4, undefined=0.5))
    for part in ("pxap of cam: 0.250", "[0.100, 0.400]", "model net (hash)", "protocol id"):
        assert part in found
    assert "40 pictures" in found
    assert "50 % undefined" in found
    assert "40 pairs" in provenance(answer("cam", 0.25, target="pairs"))


def test_agreement_tells_groups_extremes_and_controls():
    mean = np.array([[1, 0.999, 0.2, -0.004], [0.999, 1, 0.3, NAN], [0.2, 0.3, 1, 0.5]])
    mean = np.vstack([mean, [-0.004, NAN, 0.5, 1]])
    one = Agreement(("a<b", "c", "d", "centre"), mean, np.full((4, 4), 6), 6)
    page = agreement_section({"net": one})
    found = words(page)
    assert "Nearly the same order of pixels (0.995 or more): a<b, c." in found
    assert "Least alike, controls aside: d and a<b, 0.20." in found
    assert "The control centre: 0.00 to 0.50 with the others." in found
    assert "-0.00" not in found
    assert "over the 6 pictures" in found
    assert page.count("background:") == 14
    assert "#67001f;color:#fff" in page  # 1.00, the darkest red
    assert agreement_section({}) == ""


def test_curves_of_deletion_and_insertion_come_first():
    def curve(metric, name):
        table = Table(metric, "id", "net", "hash", "")
        return Curves(table, "label", name, (0.1, 0.5), {"cam": (0.2, 0.4)}, 12)

    page = curves_section(
        [
            curve("max-box-acc", "overlap"),
            curve("remove-and-classify", RATIO),
            curve("deletion:steps=9", "score"),
            curve("insertion", "score"),
        ]
    )
    found = words(page)
    order = [found.index(name) for name in ("insertion", "deletion", "remove-and", "max-box")]
    assert order == sorted(order)
    assert "up to 12 images" in found
    assert "divided by that without k % by chance" in found


def attribution(method, targets=2, **changes):
    values = {
        "method": method,
        "maps": torch.arange(4.0 * targets).reshape(1, targets, 2, 2),
        "targets": torch.arange(targets)[None],
        "target_names": (("001.Wren", "Great_tit")[:targets],),
        "scores": torch.zeros(1, targets),
        "probabilities": torch.tensor([[0.75, 0.2]])[:, :targets],
        "layer": "x",
        "size": (16, 16),
        "flags": (((),) * targets,),
        "top": (("001.Wren", 0.75),),
        "images": torch.full((1, 3, 16, 16), 0.5),
    }
    return Attribution(**(values | changes))


def explained(label=0, **changes):
    given = {"cam": attribution("cam"), "maps:x": attribution("maps:x", 1)}
    made = Explained("a/1.png", "net", (0, 1), label, given, {"own.py:f": "it fails"})
    return replace(made, **changes)


SHOWN = Shown(("a/1.png", -1), "worst", 0.1)


def test_a_card_has_a_row_for_each_class_and_notes_for_what_is_missing():
    card = card_of(explained(), SHOWN, "001.Wren", 160)
    assert (card.label, card.predicted, card.wrong) == ("Wren", "Wren (75.0%)", False)
    first, second = card.rows
    assert (first.name, first.kinds, second.name, second.kinds) == (
        *("Wren", ("predicted", "label")),
        *("Great tit", ()),
    )
    assert [bool(cell.address) for cell in first.cells] == [True, True, False]
    assert [cell.note for cell in second.cells] == ["", "there is no map of this class", "it fails"]
    wrong = card_of(explained(label=1), SHOWN, "Great tit", 160)
    assert wrong.wrong
    assert [row.kinds for row in wrong.rows] == [("predicted",), ("label",)]
    strange = card_of(explained(label=None), SHOWN, "Great tit", 160)
    assert not strange.wrong
    assert [row.kinds for row in strange.rows] == [("predicted",), ()]


def test_a_blank_map_says_why():
    flags = ((("no positive evidence",), ()),)
    one = explained(attributions={"cam": attribution("cam", flags=flags)})
    cells = card_of(one, SHOWN, "Wren", 160).rows[0].cells
    assert cells[0].note == "blank: no positive evidence"


def test_a_picture_that_nothing_explains_is_no_card():
    with pytest.raises(InputError, match=r"own\.py:f: it fails"):
        card_of(explained(attributions={}), SHOWN, "Wren", 160)


def test_only_what_never_works_is_left_out():
    assert never([{"a": "why", "b": "x"}, {"a": "again"}]) == {"a": "why"}
    assert never([{"a": "why"}, {}]) == {}
    assert never([]) == {}


def table(metric, values, target="predicted"):
    units = (("a/1.png", -1), ("z.png", -1))
    columns = {method: np.array(row) for method, row in values.items()}
    return PerImage(Table(metric, "id", "net", "hash", ""), target, units, columns)


def test_the_gallery_brings_its_numbers_and_says_what_is_left_out():
    card = card_of(explained(), SHOWN, "Wren", 160)
    gallery = Gallery("net", (card,), {"own.py:f": "it </script> fails"})
    tables = [
        table("area", {"cam": [0.3, 0.9], "centre": [0.1, 0.2]}),
        table("deletion:steps=9", {"cam": [1 / 3, NAN], "score-cam": [NAN, 0.5]}, "label"),
        table("cue-localisation", {"cam": [0.3, 0.9]}, "pairs"),
    ]
    page = gallery_section([gallery], tables, Choice("Some pictures.", "deletion:steps=9"))
    data = json.loads(page.partition('id="numbers">')[2].partition("</script>")[0])
    first, second = data["net"]
    assert first == {
        "name": "deletion:steps=9 ↓ (label class)",
        "target": "label",
        "direction": "lower",
        "mean": [None],  # no method has both pictures
        "values": {"cam": [0.333333], "score-cam": [None]},
    }
    assert second["mean"] == [0.3]
    assert "Left out, because it cannot explain again: own.py:f (it </script> fails)." in words(
        page
    )
    assert "among the worst" in page
    assert page.count("data-method") == 2 * 2  # two classes, two methods
    assert gallery_section([Gallery("net", (), {})], tables, Choice()) == ""
