"""The recipes of the four papers: they parse, and hold every printed number and no other."""

import re
from collections import Counter
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import pytest

from printed_tables import CALM_1, CALM_3, printed, rows_of
from regionwise.attribution.catalog import methods
from regionwise.benchmark.recipe_files import read_recipe, recipe_names
from regionwise.metrics.borda import borda_count
from regionwise.metrics.catalog import metrics

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
OTHERS = {"birds", "claims", "quick"}
PAPERS = tuple(sorted(set(recipe_names()) - OTHERS))

UNCOUNTED = {"BC", "drop in logit", "seconds", "GB"}
NO_MAPS_HERE = {"HaS", "ACoL", "SPG", "ADL", "CutMix", "InCA", "CAM + Y", "CALM + Y"}
NO_METRIC_HERE = {"borda count", "seconds per image", "memory in GB"}
NETWORKS = r"ResNet-(18|50)|VGG-1[69]|ViT-B/16|mean of VGG, Inception and ResNet"


def in_recipe(recipe):
    """Return the published numbers as their sources say them, with the items."""
    found = {}
    for item in read_recipe(recipe).published:
        where, _, number = item.source.rpartition(": ")
        _, _, data, row, column = where.split(", ")
        assert (data, row, column) not in found
        found[data, row, column] = (number, item)
    return found


def used(groups):
    return [text for group in groups for text in group.use]


@pytest.mark.parametrize("name", recipe_names())
def test_every_name_and_setting_exists_and_is_canonical(name):
    recipe = read_recipe(name)
    assert [methods.parse(text).id for text in used(recipe.methods)] == used(recipe.methods)
    assert [metrics.parse(text).id for text in used(recipe.metrics)] == used(recipe.metrics)


@pytest.mark.parametrize("name", recipe_names())
def test_no_method_and_no_metric_stands_there_twice(name):
    recipe = read_recipe(name)
    texts = Counter(used(recipe.methods))
    texts += Counter((g.target, text) for g in recipe.metrics for text in g.use)
    assert set(texts.values()) == {1}


def test_there_is_a_recipe_for_every_table_of_the_papers():
    assert set(PAPERS) == {
        *(f"cape-table-{n}" for n in (1, 2)),
        *(f"calm-table-{n}" for n in (1, 2, 3)),
        "calm-figure-5",
        *(f"score-campp-table-{n}" for n in range(1, 9)),
        "union-cam-recognition",
        "union-cam-insertion-deletion",
        "union-cam-modules",
    }
    assert len({read_recipe(name).title for name in recipe_names()}) == len(recipe_names())


@pytest.mark.parametrize("name", PAPERS)
def test_the_published_numbers_are_the_printed_ones(name):
    found = in_recipe(name)
    assert {key: number for key, (number, _) in found.items()} == printed(name)
    for (_, _, column), (number, item) in found.items():
        share = Decimal(number) if column in UNCOUNTED else Decimal(number) / 100
        assert item.value == float(share)


@pytest.mark.parametrize("name", PAPERS)
def test_a_published_number_stands_beside_a_method_and_a_metric_of_the_recipe(name):
    recipe = read_recipe(name)
    own = {*used(recipe.methods), "cape:head=naive-average", "cape:head=off-the-shelf"}
    for item in recipe.published:
        metric, _, more = item.metric.partition(", ")
        if item.metric in NO_METRIC_HERE:
            assert item.method in own
        else:
            assert metric in used(recipe.metrics)
            assert not more or more in metrics.card(metric.partition(":")[0]).columns
            assert item.method in own | NO_MAPS_HERE


@pytest.mark.parametrize("name", PAPERS)
def test_a_published_number_says_of_what_it_is(name):
    folder = files("regionwise.benchmark") / "recipes"
    text = (folder / f"{name}.toml").read_text(encoding="utf-8")
    head = " ".join(line.lstrip("# ") for line in text[: text.index("\ntitle")].splitlines())
    for item in read_recipe(name).published:
        assert item.data == item.source.split(", ")[2]
        assert re.fullmatch(NETWORKS, item.model)
        assert item.model.removeprefix("mean of ") in head, "the header names the network"


def test_calm_adds_up_classes_as_the_paper_does_on_each_data_set():
    found = {
        (item.data, item.source.split(", ")[3]): item.method
        for item in read_recipe("calm-table-3").published
    }
    for head, own in (("CAM", "cam:classes=all"), ("CALM_EM", "calm:quantity=subset")):
        assert found["CUB", f"{head} + Y"] == own
        assert found["OpenImages", f"{head} + Y"] == found["OpenImages", head]
        assert found["ImageNet", f"{head} + Y"] in NO_MAPS_HERE
    assert methods.parse("calm:quantity=subset,classes=all").id == "calm:quantity=subset"


@pytest.mark.parametrize("name", ["cape-table-2", "calm-table-2"])
def test_accuracy_is_a_metric(name):
    (group,) = read_recipe(name).metrics
    assert group.use == ("accuracy", "confidence")
    own = {item.method for item in read_recipe(name).published}
    assert set(used(read_recipe(name).methods)) <= own


@pytest.mark.parametrize("name", PAPERS)
def test_a_row_has_one_method_and_a_column_one_metric(name):
    recipe = read_recipe(name)
    of_row, of_column = {}, {}
    for (data, row, column), (_, item) in in_recipe(name).items():
        # what + Y is depends on the data set
        of_row.setdefault((row, data if "+ Y" in row else ""), set()).add(item.method)
        of_column.setdefault((data, column, row.startswith("CALM")), set()).add(item.metric)
    assert all(len(names) == 1 for names in of_row.values())
    assert all(len(names) == 1 for names in of_column.values())
    assert bool(recipe.published) == bool(printed(name))


@pytest.mark.parametrize("name", ["cape-table-1", "calm-table-3"])
def test_numbers_of_cub_come_first_as_the_first_stands_beside_ours(name):
    first = {}
    for item in read_recipe(name).published:
        if item.method not in NO_MAPS_HERE:
            first.setdefault((item.method, item.metric), item.source)
    boxed = [s for (_, metric), s in first.items() if not metric.startswith("pxap")]
    assert boxed
    assert all(", CUB, " in source for source in boxed)


@pytest.mark.parametrize("name", PAPERS)
def test_a_recipe_says_where_it_comes_from_and_what_is_ours(name):
    folder = files("regionwise.benchmark") / "recipes"
    text = (folder / f"{name}.toml").read_text(encoding="utf-8")
    head = text[: text.index("\ntitle")]
    assert all(line.startswith("#") for line in head.splitlines() if line)
    assert re.search(r"20(21|24)", head)
    for word in ("There:", "Here:", "Ours"):
        assert word in head


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 8])
def test_score_cam_pp_is_scored_as_its_code_does(number):
    recipe = read_recipe(f"score-campp-table-{number}")
    (code,) = [group for group in recipe.metrics if group.name == "code"]
    drop, increase, win = (metrics.parse(text) for text in code.use)
    assert {drop.score, increase.score, win.score} == {"logit"}
    assert not increase.strict
    assert win.ties == "first"
    assert {drop.blank, increase.blank, win.blank} == {"lost"}


def test_the_order_that_decides_ties_is_that_of_the_code():
    names = [text.partition(":")[0] for text in used(read_recipe("score-campp-table-3").methods)]
    assert names == [
        *("grad-cam", "grad-cam++", "xgrad-cam", "layer-cam", "score-cam", "score-cam++"),
        "augmented-grad-cam++",
    ]


def test_calm_erases_by_its_blur_and_by_its_script():
    (group,) = read_recipe("calm-figure-5").metrics
    assert [metrics.parse(text).fill for text in group.use] == ["blur", "mean"]
    assert group.target == "label"


# What arithmetic can check of the papers' numbers.


@pytest.mark.parametrize("data", ["CUB", "ImageNet", "CMML"])
def test_borda_counts_of_cape_follow_dense_ranks_but_for_one(data):
    table = printed("cape-table-1")
    labels = [row for where, row, column in table if (where, column) == (data, "BC")]
    ways = {"AD": "lower", "IC": "higher", "ADD": "higher", "ADCC": "higher", "mIoU": "lower"}
    columns = {c: [float(table[data, row, c]) for row in labels] for c in ways}
    counted = dict(zip(labels, borda_count(columns, ways), strict=True))
    wrong = {row for row in labels if counted[row] != int(table[data, row, "BC"])}
    assert wrong == ({"Grad-CAM"} if data == "CMML" else set())
    assert data != "CMML" or counted["Grad-CAM"] == 1


def test_cape_prints_different_overlaps_for_maps_that_agree():
    table = printed("cape-table-1")
    for data, own in (("CUB", "75.9"), ("ImageNet", "84.4"), ("CMML", "0.1")):
        assert abs(float(table[data, "CAM", "AD"]) - float(table[data, "Grad-CAM", "AD"])) < 1
        assert table[data, "CAM", "mIoU"] == own
        assert table[data, "Grad-CAM", "mIoU"] == "100.0"


def test_accuracies_of_cape_on_cub_are_shares_of_its_test_images():
    found = [float(n) for (data, _, _), n in printed("cape-table-2").items() if data == "CUB"]
    assert len(found) == 6
    assert all(abs(round(n / 100 * 5794) / 5794 * 100 - n) <= 0.005 + 1e-9 for n in found)


def test_the_mean_of_calm_weighs_its_191_pairs_alike():
    for one, two, three, mean in (map(float, row) for row in rows_of(CALM_1).values()):
        assert abs((31 * one + 64 * two + 96 * three) / 191 - mean) <= 0.05 + 1e-9
    one, two, three, mean = map(float, rows_of(CALM_1)["CAM"])
    assert abs((one + two + three) / 3 - mean) > 1


def test_calm_by_ml_over_all_classes_is_its_best_on_cub():
    cub = {row: float(n) for (data, row, _), n in printed("calm-table-3").items() if data == "CUB"}
    assert max(cub, key=cub.get) == "CALM_ML + Y"
    for head in ("CAM", "CALM_EM", "CALM_ML"):
        assert rows_of(CALM_3)[head][2] == rows_of(CALM_3)[f"{head} + Y"][2]


@pytest.mark.parametrize(
    ("number", "total"), [(n, "99.98" if n == 5 else "100.00") for n in (1, 2, 3, 4, 5, 6, 8)]
)
def test_wins_of_score_cam_pp_add_up(number, total):
    table = printed(f"score-campp-table-{number}")
    wins = [Decimal(n) for (_, _, column), n in table.items() if column == "Win"]
    assert sum(wins) == Decimal(total)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 8])
def test_score_cam_pp_counted_2000_images(number):
    table = printed(f"score-campp-table-{number}")
    counted = [Decimal(n) for (_, _, column), n in table.items() if column in {"IC", "Win"}]
    assert all(n % Decimal("0.05") == 0 for n in counted) == (number not in {5, 6})


def test_score_cam_pp_has_two_sets_of_numbers_for_one_method():
    drops = {
        number: {
            row: n
            for (_, row, column), n in printed(f"score-campp-table-{number}").items()
            if column == "AD"
        }
        for number in (4, 5, 6)
    }
    assert drops[4]["ScoreCAM++"] == "7.28"
    assert drops[5]["Tanh(.)"] == "4.27"
    assert drops[6]["Normalization + Upsampled"] == "4.28"


def test_the_page_lists_every_recipe_once():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    listed = [found[1] for line in lines if (found := re.match(r"\| `([a-z0-9-]+)` \|", line))]
    assert sorted(listed) == sorted(recipe_names())
