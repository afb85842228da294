"""Families and claims in a recipe: what is read, what is refused, and recipes on top of others."""

from itertools import product

import pytest

from regionwise.benchmark.claims import Claim, Family, Side
from regionwise.benchmark.recipe_extends import merged
from regionwise.benchmark.recipe_files import from_table, read_recipe
from regionwise.errors import SettingError

SMALL = {
    "methods": [{"name": "a", "use": ["cam"]}],
    "metrics": [{"name": "m", "use": ["deletion"]}],
    "families": [
        {"name": "A", "vanilla": "birds-1", "calm": "birds-calm"},
        {"name": "B", "vanilla": "birds-1", "cape": "birds-cape"},
    ],
}
CLAIM = {
    "id": "it",
    "says": "x beats y",
    "source": "Somebody 1999",
    "metric": "deletion",
    "better": {"role": "calm", "method": "calm"},
    "than": [{"role": "vanilla", "method": ["cam", "grad-cam"]}, {"role": "cape"}],
}


def read(*claims, **changes):
    return from_table({**SMALL, "claims": list(claims), **changes}, "r")


def test_families_name_the_models_once():
    found = read()
    assert found.models == ("birds-1", "birds-calm", "birds-cape")
    assert found.families[0] == Family("A", {"vanilla": "birds-1", "calm": "birds-calm"})
    assert read(models=["x"]).models == ("x",)


def test_a_claim_is_read():
    (found,) = read(CLAIM).claims
    assert found == Claim(
        id="it",
        says="x beats y",
        source="Somebody 1999",
        kind="better",
        metrics=("deletion",),
        target="predicted",
        sides=(Side("calm", "calm"),),
        than=(Side("vanilla", "cam"), Side("vanilla", "grad-cam"), Side("cape")),
    )
    assert len(found.every) == 4


@pytest.mark.parametrize(
    ("kind", "changes", "way", "limit"),
    [
        ("equal", {"of": {"role": "calm"}, "as": {"role": "cape"}, "within": 0.5}, "within", 0.5),
        ("bound", {"of": {"role": "calm"}, "below": 1}, "below", 1.0),
        ("bound", {"of": {"role": "calm"}, "above": -2.5}, "above", -2.5),
    ],
)
def test_kinds_with_a_limit(kind, changes, way, limit):
    kept = {key: CLAIM[key] for key in ("id", "says", "source", "metric")}
    (found,) = read({**kept, "kind": kind, **changes}).claims
    assert (found.kind, found.way, found.limit) == (kind, way, limit)
    assert len(found.than) == (1 if kind == "equal" else 0)


def test_a_first_place_has_several_metrics():
    kept = {key: CLAIM[key] for key in ("id", "says", "source")}
    sides = {"first": CLAIM["better"], "among": CLAIM["than"]}
    (found,) = read({**kept, "kind": "first", "metrics": ["deletion", "adcc"], **sides}).claims
    assert found.metrics == ("deletion", "adcc")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "beter"}, "'kind' of claim 'it' cannot be 'beter'"),
        ({"source": ""}, "claim 'it' lacks 'source'"),
        ({"within": 1}, "no key 'within'"),
        ({"tahn": []}, "no key 'tahn' .*did you mean 'than'"),
        ({"metric": "deletoin"}, "did you mean 'deletion'"),
        ({"metric": "sparseness"}, "says of no value that it is better"),
        ({"target": "pair"}, "'target' of claim 'it' cannot be 'pair'"),
        ({"by": "pixel"}, "give one of answer, image"),
        ({"better": {"role": "clam", "method": "cam"}}, "role 'clam'.*did you mean 'calm'"),
        ({"better": {"role": "calm", "method": "clam"}}, "unknown method 'clam'"),
        ({"better": {"role": "calm", "method": "cam", "at": "x"}}, "no key 'at'"),
        ({"better": {"role": "calm", "method": 3}}, "'method' of 'better' of .* cannot be 3"),
        ({"better": {"role": "calm", "method": []}}, "names nothing"),
        ({"better": "calm"}, "must be a table"),
        ({"kind": "bound"}, "no key 'better'"),
    ],
)
def test_what_makes_no_sense_in_a_claim_is_named(changes, says):
    with pytest.raises(SettingError, match=says):
        read({**CLAIM, **changes})


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"as": {"role": "cape"}}, "needs one of within"),
        ({"as": {"role": "cape"}, "within": "x"}, "'within' of claim 'it' cannot be 'x'"),
        ({"as": {"role": "cape"}, "within": 0}, "give a number above 0"),
    ],
)
def test_a_tolerance_is_a_number(more, says):
    kept = {key: CLAIM[key] for key in ("id", "says", "source", "metric")}
    with pytest.raises(SettingError, match=says):
        read({**kept, "kind": "equal", "of": {"role": "calm"}, **more})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"families": []}, "need .*families"),
        ({"families": [{"name": "A"}]}, "names no network"),
        ({"families": [{"vanilla": "x"}]}, "has the name ''"),
        ({"families": SMALL["families"][:1] * 2}, "has the name 'A'"),
        ({"families": [{"name": "A", "vanilla": 3}]}, "'vanilla' of .* cannot be 3"),
        ({"claims": [CLAIM, CLAIM]}, "has the id 'it', as another"),
        ({"claims": ["it"]}, "must be a table"),
        ({"methods": [{"use": ["cam"], "roles": ["cam"]}]}, "'roles' of .*did you mean 'calm'"),
        ({"methods": [{"use": ["cam"], "metrics": ["n"]}]}, "'metrics' of .* cannot be 'n'"),
        ({"metrics": [{"use": ["area"], "roles": ["calm"]}]}, "only .*methods"),
    ],
)
def test_what_makes_no_sense_around_claims_is_named(changes, says):
    with pytest.raises(SettingError, match=says):
        from_table({**SMALL, "claims": [CLAIM], **changes}, "r")


def test_a_group_is_for_the_networks_of_its_roles():
    narrowed = [
        {"name": "a", "use": ["cam"], "roles": ["vanilla", "cape"]},
        {"name": "b", "use": ["calm"], "roles": ["calm"]},
        {"name": "c", "use": ["random"]},
    ]
    found = read(methods=narrowed)
    names = {model: [g.name for g in found.groups_of(model)] for model in (*found.models, "other")}
    assert names == {
        "birds-1": ["a", "c"],
        "birds-calm": ["b", "c"],
        "birds-cape": ["a", "c"],
        "other": ["c"],
    }


def test_a_group_is_scored_by_its_groups_of_metrics(planned, networks):
    plan, _ = planned(
        families=[{"name": "A", "net": f"{networks}:net", "other": f"{networks}:other"}],
        models=[f"{networks}:net", f"{networks}:other"],
        methods=[
            {"name": "a", "use": ["cam"], "metrics": ["soft"], "roles": ["net"]},
            {"name": "b", "use": ["random"]},
        ],
    )
    found = {(chunk.model.rpartition(":")[2], chunk.group): chunk.metrics for chunk in plan.chunks}
    assert found["net", "a"] == ("average-drop", "complexity", "pxap")
    assert "deletion:steps=3" in {m for c in plan.chunks if c.group == "b" for m in c.metrics}
    assert ("other", "a") not in found
    assert not any(used.left_out for used in plan.models)


BASE = {
    "title": "Base",
    "models": ["birds"],
    "methods": [{"name": "a", "use": ["cam"]}, {"name": "b", "use": ["random"]}],
    "claims": [{"id": "x", "says": "old"}, {"id": "y", "says": "kept"}],
    "families": [{"name": "A"}, {"name": "B"}],
}


def test_what_is_on_top_replaces_by_name():
    over = {
        "title": "Over",
        "methods": [{"name": "b", "use": ["centre"]}, {"use": ["edges"]}],
        "claims": [{"id": "x", "says": "new"}],
        "families": [{"name": "C"}],
    }
    found = merged(BASE, over)
    assert found["title"] == "Over"
    assert [group["use"] for group in found["methods"]] == [["cam"], ["centre"], ["edges"]]
    assert [claim["says"] for claim in found["claims"]] == ["new", "kept"]
    assert found["families"] == [{"name": "C"}]
    assert "models" not in found
    assert merged(BASE, {})["models"] == ["birds"]
    assert merged(BASE, {**over, "models": ["x"]})["models"] == ["x"]


def test_a_file_extends_a_recipe_by_families_of_its_own(tmp_path):
    (tmp_path / "mine.toml").write_text(
        'extends = "claims"\n[[families]]\nname = "Mine"\nvanilla = "runs/v"\ncape = "runs/c"\n'
        'calm = "runs/m"\n'
    )
    (tmp_path / "more.toml").write_text('extends = "mine.toml"\ntitle = "More"\nimages = 5\n')
    found, base = read_recipe(str(tmp_path / "more.toml")), read_recipe("claims")
    assert (found.name, found.title, found.images) == ("more", "More", 5)
    assert found.models == ("runs/v", "runs/c", "runs/m")
    assert [family.name for family in found.families] == ["Mine"]
    assert found.claims == base.claims
    assert [group.use for group in found.methods] == [group.use for group in base.methods]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('extends = "a.toml"', "extends itself"),
        ("extends = 3", "cannot be 3"),
        ('extends = "clams"', "unknown recipe 'clams'.*'claims'"),
        ('extends = "none.toml"', "cannot read the recipe"),
    ],
)
def test_what_cannot_be_extended_is_named(tmp_path, text, says):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(SettingError, match=says):
        read_recipe(str(tmp_path / "a.toml"))


# The recipe that comes with the package.


def measured(recipe):
    """Return role, method, metric and target of all that a recipe runs."""
    roles = tuple({role for family in recipe.families for role in family.models})
    return {
        (role, method, metric, metrics.target or recipe.target)
        for group in recipe.methods
        for metrics in recipe.metrics
        if not group.metrics or metrics.name in group.metrics
        for role in group.roles or roles
        for method in (*group.use, "")
        for metric in metrics.use
    }


def test_the_claims_of_the_papers_can_be_measured_by_their_recipe():
    recipe = read_recipe("claims")
    run = measured(recipe)
    for claim in recipe.claims:
        for side, metric in product(claim.every, claim.metrics):
            key = (side.role, side.method, side.metric or metric, claim.target)
            assert key in run, claim.id
        assert claim.judge in {"", *recipe.judges}
        assert len(claim.says) <= 100


def test_the_claims_are_of_all_four_papers():
    claims = read_recipe("claims").claims
    assert len(claims) >= 24
    for paper in (
        "Chowdhury et al. 2024",
        "Kim et al. 2021",
        "Mitra et al. 2024",
        "Hu et al. 2024",
    ):
        assert sum(paper in claim.source for claim in claims) >= 5
    assert len({claim.says for claim in claims}) == len(claims)


def test_nothing_is_run_that_no_claim_asks_for():
    recipe = read_recipe("claims")
    methods = {side.method for claim in recipe.claims for side in claim.every}
    metrics = {m for c in recipe.claims for m in (*c.metrics, *(s.metric for s in c.every))}
    assert {text for group in recipe.methods for text in group.use} <= methods
    assert {text for group in recipe.metrics for text in group.use} <= metrics
