"""``regionwise report``: one page that holds all it needs, on a desk, on a phone, on paper."""

import html
import json
import re
import subprocess
from html.parser import HTMLParser
from shutil import which

import numpy as np
import pytest

from regionwise.data.birds import write_birds

RECIPE = """
title = "Tiny <page>"
models = {models}
[[methods]]
use = ["grad-cam", "gradient", "centre", "maps:maps"]
[[metrics]]
name = "soft"
use = ["average-drop", "area"]
[[metrics]]
name = "curves"
use = ["deletion:steps=4"]
[[metrics]]
name = "removal"
target = "label"
use = ["remove-and-classify:percents=10/50"]
[[metrics]]
name = "cues"
target = "pairs"
use = ["cue-localisation"]
[cost]
images = 1
"""

NETS = """
import torch
from torch import nn
from regionwise import Classifier, Preprocessing


def made(seed):
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )
    module[-1].weight.data *= 30
    return Classifier(module, Preprocessing(size=(32, 32), resize=None))


def one():
    return made(0)


def two():
    return made(1)
"""


@pytest.fixture(scope="module")
def made():
    """The folder of a benchmark, and its page; made once."""
    return {}


@pytest.fixture
def bench(made, run, tmp_path_factory, monkeypatch):
    """Two tiny networks on six birds, with maps of some pictures that were made elsewhere."""
    if not made:
        home = tmp_path_factory.mktemp("bench")
        birds = write_birds(home / "birds", classes=3, images_per_class=4, size=32)
        (home / "nets.py").write_text(NETS)
        for picture in sorted((birds / "images").rglob("*.png"))[:5]:
            path = home / "maps" / f"{picture.relative_to(birds / 'images')}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.arange(16.0).reshape(4, 4))
        models = json.dumps([f"{home / 'nets.py'}:{name}" for name in ("one", "two")])
        (home / "tiny.toml").write_text(RECIPE.format(models=models))
        monkeypatch.chdir(home)
        monkeypatch.setenv("REGIONWISE_TRUST", str(home / "nets.py"))
        run("benchmark", "tiny.toml", "--data", f"birds:{birds}", "--out", "out", "--limit", 4)
        done = run("report", "out", "--gallery", 3, "--pairs", 1, "--by", "average-drop")
        made.update(home=home, done=done, page=(home / "out" / "report.html").read_text())
    monkeypatch.chdir(made["home"])
    monkeypatch.setenv("REGIONWISE_TRUST", str(made["home"] / "nets.py"))
    return made["home"] / "out"


@pytest.fixture
def page(made, bench):
    """The page with three pictures and a pair."""
    assert made["done"].code == 0, made["done"].err
    return made["page"]


class Page(HTMLParser):
    """Notes tags, names, links, and what is loaded; all that opens must be closed."""

    void = frozenset({"meta", "img", "br", "link"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.kinds, self.ids = [], [], [], []
        self.links, self.loaded, self.titles = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.kinds.append((tag, given.get("class")))
        self.ids += [given["id"]] if "id" in given else []
        self.titles += [given["title"]] if tag == "td" and "title" in given else []
        addresses = [v for k, v in attrs if k in {"src", "href"}]
        self.links += [v[1:] for v in addresses if v.startswith("#")]
        self.loaded += [v for v in addresses if not v.startswith(("data:image/webp;base64,", "#"))]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_every_number_leads_to_its_protocol(page, made):
    assert re.search(r"wrote .*report\.html \(\d+\.\d MB\)", made["done"].out)
    found = Page(page)
    assert found.open == found.loaded == []
    assert len(found.ids) == len(set(found.ids))
    assert set(found.links) <= set(found.ids)
    assert set(found.ids) >= {
        *("answer", "leaderboard", "cost", "curves", "agreement", "gallery", "pairs"),
        *("controls", "tables", "protocols", "origin"),
    }
    assert sum(name.startswith("protocol-") for name in found.ids) == 5
    numbers = [title for title in found.titles if "model" in title]
    assert len(numbers) > 2 * 5 * 3
    assert all("; protocol " in title for title in numbers)
    assert found.kinds.count(("figure", "card")) == 2 * 3 + 1
    assert "Tiny &lt;page&gt;" in page
    assert "Which method should I use?" in page
    assert "url(" not in page


def test_the_pictures_are_chosen_by_a_metric(page, run, bench):
    assert "3 of 4 pictures" in page
    assert "typical ones by average-drop (predicted class)" in page
    numbers = json.loads(page.partition('id="numbers">')[2].partition("</script>")[0])
    for tables in numbers.values():
        assert [table["name"] for table in tables] == [
            "average-drop ↓ (predicted class)",
            "area (predicted class)",
            "deletion:steps=4 ↓ (predicted class)",
        ]
        assert None not in tables[0]["mean"]
    both = np.mean([tables[0]["mean"] for tables in numbers.values()], axis=0)
    assert both.tolist() == sorted(both, reverse=True)  # from the worst to the best
    refused = run("report", bench, "--by", "area")
    assert refused.code == 2
    assert "these have: average-drop, deletion:steps=4" in refused.err


def test_without_pictures_data_and_networks_may_be_gone(run, bench):
    nets = bench.parent / "nets.py"
    kept = nets.read_text()
    nets.unlink()
    try:
        done = run("report", bench, "--gallery", 0, "--out", "plain.html")
        gone = run("report", bench, "--gallery", 1)
    finally:
        nets.write_text(kept)
    assert done.code == 0, done.err
    assert "<img" not in (bench.parent / "plain.html").read_text()
    assert gone.code == 2


def test_methods_that_are_gone_are_left_out_and_it_is_said(run, bench):
    maps = bench.parent / "maps"
    maps.rename(bench.parent / "elsewhere")
    try:
        done = run("report", bench, "--gallery", 1, "--pairs", 0)
    finally:
        (bench.parent / "elsewhere").rename(maps)
    assert done.code == 0, done.err
    text = (bench / "report.html").read_text()
    assert "Left out, because it cannot explain again: maps:maps" in text
    assert 'data-method="maps:maps"' not in text


BROWSER = next((b for b in ("chromium", "chromium-browser", "google-chrome") if which(b)), None)

PROBE = """
<body><iframe id="f" style="width:390px;height:900px" srcdoc="{page}"></iframe><script>
const f = document.getElementById("f");
f.onload = () => {{
  const page = f.contentDocument, at = (id) => page.getElementById(id);
  const shown = (query) => [...page.querySelectorAll(query)].filter((one) => one.offsetParent);
  const choose = (id, place) => {{
    at(id).selectedIndex = place;
    at(id).dispatchEvent(new Event("change"));
  }};
  const cards = () => shown("#gallery .card").map((card) => [
    card.dataset.place, card.querySelector(".mean").textContent]);
  const {{ scrollWidth, clientWidth }} = page.documentElement;
  const found = {{ over: scrollWidth - clientWidth, wide: clientWidth }};
  found.models = shown("#leaderboard .of-model").length;
  choose("by", 0);
  found.worst = cards();
  choose("order", 1);
  found.best = cards();
  choose("of", 1);
  found.one = cards();
  found.values = shown("#gallery .value").filter((one) => one.textContent).length;
  choose("rows", 1);
  found.rows = shown("#gallery .class-row").map((row) => row.dataset.row);
  const head = page.querySelector("#leaderboard .sort");
  head.click();
  const column = () => shown("#leaderboard tbody tr").map((row) => +row.children[1].textContent);
  found.down = column();
  head.click();
  found.up = column();
  choose("model", 0);
  found.all = shown("#leaderboard .of-model").length;
  const out = document.createElement("pre");
  out.id = "found";
  out.textContent = JSON.stringify(found);
  document.body.append(out);
}};
</script></body>
"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_the_page_works_on_a_phone(page, tmp_path):
    (tmp_path / "frame.html").write_text(PROBE.format(page=html.escape(page)))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr"]
    opened = subprocess.run(
        [BROWSER, *options, "--dump-dom", (tmp_path / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in opened.stderr
    found = json.loads(re.search(r'<pre id="found">(.*?)</pre>', opened.stdout)[1])
    assert 370 <= found["wide"] <= 390
    assert found["over"] == 0  # nothing but tables and strips scrolls sideways
    assert found["models"] == 1
    assert found["all"] == 2
    best, worst = (
        [float(words.removeprefix("mean ")) for _, words in found[name]]
        for name in ("best", "worst")
    )
    assert best == sorted(best)  # of a drop, little is best
    assert worst == best[::-1]
    assert len(set(best)) == 3
    assert all(text.startswith("grad-cam ") for _, text in found["one"])
    assert found["values"] >= 3 * 3
    assert found["rows"] == ["0"] * 3
    assert found["down"] == sorted(found["up"], reverse=True)
    assert found["up"] == sorted(found["up"])
    assert len(set(found["up"])) > 1
