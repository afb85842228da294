"""Claims end to end: six tiny birds by two families of small networks, into files and a page."""

import csv
import io
from xml.etree import ElementTree as ET

import pytest

from regionwise.apps.claims_output import print_claims, write_claims
from regionwise.benchmark.run import run_plan
from regionwise.benchmark.summary import summarise
from regionwise.report.claims_section import claims_section


def stated(name, **fields):
    return {"id": name, "says": f"It is {name}", "source": "Somebody 1999", **fields}


CLAIMS = [
    stated(
        "drop",
        metric="average-drop",
        better={"role": "net", "method": "cam"},
        than={"role": "net", "method": "random"},
    ),
    stated(
        "across",
        metric="deletion:steps=3",
        better={"role": "net", "method": "cam"},
        than={"role": "other", "method": "cam"},
    ),
    stated(
        "pixels",
        metric="pxap",
        target="label",
        better={"role": "net", "method": "cam"},
        than={"role": "net", "method": ["random"]},
    ),
    stated(
        "right",
        kind="equal",
        metric="accuracy",
        target="label",
        of={"role": "net"},
        **{"as": {"role": "other"}},
        within=0.5,
    ),
    stated(
        "first",
        kind="first",
        metrics=["average-drop", "deletion:steps=3"],
        first={"role": "net", "method": "cam"},
        among=[{"role": "net", "method": "random"}],
    ),
    stated(
        "joint",
        kind="bound",
        metric="completeness",
        of={"role": "net", "method": "calm"},
        below=0.1,
    ),
    stated(
        "unseen",
        kind="bound",
        metric="area",
        of={"role": "net", "method": "cam"},
        below=0.1,
    ),
]


@pytest.fixture(scope="module")
def made():
    """Verdicts and their folder; made once."""
    return {}


@pytest.fixture
def found(made, planned, told, tmp_path_factory, networks):
    if not made:
        net, other = (f"{networks}:{name}" for name in ("net", "other"))
        plan, context = planned(
            models=[net, other],
            families=[
                {"name": "Both", "net": net, "other": other},
                {"name": "One", "net": other},
            ],
            claims=CLAIMS,
            methods=[
                {"name": "maps", "use": ["cam", "random"]},
                {"name": "joint", "use": ["calm"], "roles": ["net"]},
            ],
            metrics=[
                {"use": ["average-drop", "deletion:steps=3", "completeness"]},
                {"name": "label", "use": ["pxap", "accuracy"], "target": "label"},
            ],
        )
        out = tmp_path_factory.mktemp("claims") / "out"
        run_plan(plan, context, out, told.opened)
        made.update(out=out, summary=summarise(out), net=net)
    return made


def one(found, name):
    (verdict,) = [v for v in found["summary"].claims if v.claim.id == name]
    return verdict


def answer(found, method, metric):
    (value,) = [
        a.value
        for a in found["summary"].answers
        if (a.table.model, a.method, a.table.metric) == (found["net"], method, metric)
    ]
    return value


def test_the_numbers_are_those_of_the_tables(found):
    for name, metric in (("drop", "average-drop"), ("pixels", "pxap")):
        met = one(found, name).findings[0].compared
        assert met.images == 6
        assert met.first_value == pytest.approx(answer(found, "cam", metric))
        assert met.second_value == pytest.approx(answer(found, "random", metric))
    right = one(found, "right").findings[0].compared
    assert right.first_value == pytest.approx(answer(found, "cam", "accuracy"))
    assert right.within == 0.5


def test_six_pictures_settle_little(found):
    assert {v.word for v in found["summary"].claims} <= {"undecided", "not measured"}
    assert one(found, "drop").data == "birds"
    assert one(found, "drop").share == "0 of 2"
    assert one(found, "across").share == "0 of 1"
    first = one(found, "first").findings[0].compared
    assert first.first_value + first.second_value == 10 or first.difference == 0


def test_what_could_not_be_measured_says_why(found):
    assert one(found, "across").findings[1].reason == "no network in the role 'other'"
    assert one(found, "joint").word == "not measured"
    assert "calm does not apply to" in one(found, "joint").findings[0].reason
    assert "cam has no rows by area on" in one(found, "unseen").findings[0].reason


def test_files_say_it(found, capsys):
    write_claims(found["out"], found["summary"].claims)
    page = (found["out"] / "claims.md").read_text()
    assert "7 claims on birds" in page
    assert "claims.svg" in page
    assert "| It is drop | Somebody 1999 | undecided on birds (0 of 2) |" in page
    assert "said of birds and of these networks, and of nothing else: Both (net " in page
    lines = list(csv.DictReader(io.StringIO((found["out"] / "claims.csv").read_text())))
    assert len(lines) == len(CLAIMS) * 2
    assert lines[0]["claim"] == "drop"
    met = one(found, "drop").findings[0].compared
    assert float(lines[0]["difference"]) == met.difference
    assert float(lines[0]["p"]) == met.p
    assert lines[-1]["reason"].startswith("cam has no rows")
    ET.parse(found["out"] / "claims.svg")  # noqa: S314 - our own
    print_claims(found["summary"].claims)
    printed = capsys.readouterr().out
    assert "It is drop" in printed
    assert "7 claims on birds" in printed


def test_a_benchmark_without_claims_says_nothing_of_them(tmp_path, capsys):
    write_claims(tmp_path, ())
    print_claims(())
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out == ""
    assert claims_section(()) == ""
