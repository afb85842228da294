"""``regionwise benchmark``: end to end, cut off for good, and what it says of bad input."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from shutil import which

import pyarrow.parquet as pq
import pytest
from PIL import Image

from regionwise.benchmark.rows import KEY
from regionwise.data.birds import write_birds

RECIPE = """
chunk = 1
title = "Tiny"
[[methods]]
use = ["grad-cam", "score-cam", "random"]
[[metrics]]
use = ["average-drop", "win", "pointing-game"]
[cost]
images = 1
"""

NETS = """
import time
import torch
from torch import nn
from regionwise import Classifier, Preprocessing


class Slow(nn.Module):
    def forward(self, x):
        time.sleep({pause})
        return x


def net():
    torch.manual_seed(0)
    module = nn.Sequential(
        Slow(), nn.Conv2d(3, 6, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 3),
    )
    module[-1].weight.data *= 30
    return Classifier(module, Preprocessing(size=(32, 32), resize=None))
"""


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    """Three classes of four birds, 32 pixels on a side; six are tested."""
    folder = tmp_path_factory.mktemp("data") / "birds"
    return write_birds(folder, classes=3, images_per_class=4, size=32)


@pytest.fixture
def ask(birds, tmp_path, monkeypatch):
    """Return the arguments of a benchmark into a folder."""
    monkeypatch.setenv("REGIONWISE_TRUST", str(tmp_path / "nets.py"))
    (tmp_path / "tiny.toml").write_text(RECIPE)

    def arguments(out, *more, pause=0.0):
        (tmp_path / "nets.py").write_text(NETS.format(pause=pause))
        model = f"{tmp_path / 'nets.py'}:net"
        options = ("--data", f"birds:{birds}", "--model", model, "--out", str(tmp_path / out))
        return ("benchmark", str(tmp_path / "tiny.toml"), *options, *more)

    return arguments


def rows(out):
    found = {}
    for path in (out / "rows").glob("*.parquet"):
        for row in pq.read_table(path).to_pylist():
            key = tuple(row[name] for name in KEY)
            assert key not in found, "a row is there twice"
            found[key] = row["value"]
    return found


def test_six_birds_by_three_methods(run, ask, tmp_path):
    done = run(*ask("out"))
    assert done.code == 0
    assert "score-cam" in done.out
    assert "Borda count over 3 metrics" in done.out
    assert "scored: 6 of 6 chunks" in done.out
    assert len(rows(tmp_path / "out")) == 6 * 3 * (1 + 2 + 1 + 2 + 1)
    assert not (tmp_path / "out" / "run.lock").exists()
    assert "# Tiny" in (tmp_path / "out" / "summary.md").read_text()
    again = run(*ask("out"))
    assert "finished before, nothing to score: 6 of 6 chunks" in again.out
    other = run(*ask("out", "--set", "seed=4"))
    assert other.code == 2
    assert "of another seed" in other.err


def test_a_picture_that_fails_is_counted_and_the_rest_done(run, ask, birds, tmp_path):
    tested = [
        line.split()[1]
        for line in (birds / "images.txt").read_text().splitlines()
        if f"{line.split()[0]} 0" in (birds / "train_test_split.txt").read_text().splitlines()
    ]
    bad = birds / "images" / tested[0]
    kept = bad.read_bytes()
    bad.write_bytes(kept[:200])
    try:
        done = run(*ask("out"))
    finally:
        bad.write_bytes(kept)
    assert done.code == 1
    assert "3 errors, see summary.md" in done.out
    assert "cut short" in done.err
    assert "cut short" in (tmp_path / "out" / "summary.md").read_text()


class Page(HTMLParser):
    """Notes the tags, what is loaded from elsewhere, and whether all that opens is closed."""

    void = frozenset({"meta", "img", "br", "link"})

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.loaded = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        addresses = [v for k, v in attrs if k in {"src", "href"}]
        self.loaded += [v for v in addresses if not v.startswith(("data:", "#"))]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_is_one_whole_page(run, ask, tmp_path):
    recipe = ("--set", 'metrics=[{"use"=["deletion:steps=4", "area"]}]', "--limit", 2)
    assert run(*ask("out", *recipe)).code == 0
    made = run("report", "out", "--gallery", 2, "--pairs", 0)
    assert made.code == 0, made.err
    text = (tmp_path / "out" / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.loaded == []
    assert text.count('class="card"') == 2
    assert page.tags.count("img") == 2 * 2 * (1 + 3)  # two classes: the picture, and three maps
    assert page.tags.count("polyline") == 3
    for words in ("score-cam", "Borda count", "Petsiuk", "<small>[", 'id="numbers"'):
        assert words in text
    numbers = json.loads(text.partition('id="numbers">')[2].partition("</script>")[0])
    (tables,) = numbers.values()
    (area,) = [one for one in tables if one["name"].startswith("area")]
    assert {len(row) for row in area["values"].values()} == {2}
    assert None not in area["values"]["grad-cam"]
    assert run("report", "out", "--gallery", 0, "--out", "plain.html").code == 0
    assert "<img" not in (tmp_path / "plain.html").read_text()


BROWSER = next((b for b in ("chromium", "chromium-browser", "google-chrome") if which(b)), None)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [400, 1200], ids=["phone", "desk"])
def test_the_report_opens_in_a_browser(run, ask, tmp_path, width):
    assert run(*ask("out", "--limit", 2)).code == 0
    assert run("report", "out", "--gallery", 2).code == 0
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    options += ["--disable-background-networking", "--disable-component-update"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},1600"]
    options += ["--enable-logging=stderr", "--screenshot=seen.png"]
    opened = subprocess.run(
        [BROWSER, *options, (tmp_path / "out" / "report.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in opened.stderr  # what a script complains of
    with Image.open(tmp_path / "seen.png") as seen:
        assert seen.width == width
        colours = seen.convert("RGB").getcolors(2**24)
    share = max(count for count, _ in colours) / (width * 1600)
    assert len(colours) > 50  # text, lines and pictures
    assert 0.3 < share < 0.99  # on paper


def test_a_folder_without_rows_has_no_report(run, tmp_path):
    ended = run("report", tmp_path)
    assert ended.code == 2
    assert "is no benchmark" in ended.err


def test_a_dry_run_says_what_would_be_done(run, ask, tmp_path):
    done = run(*ask("out", "--dry-run", "--limit", 2))
    assert done.code == 0, done.err
    assert "2 images, 2 chunks, 6 explanations" in done.out
    for words in ("scoring by metrics", "the bottleneck", "cost of each method", "Measured here"):
        assert words in done.out
    assert not (tmp_path / "out").exists()


def test_the_recipes_are_listed(run):
    listed = run("benchmark", "--list")
    assert {"birds", "quick"} <= {line.partition(":")[0] for line in listed.out.splitlines()}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give a recipe; --list shows them"),
        (("quick",), "give --data"),
        (("quik", "--data", "birds:x"), "did you mean 'quick'"),
        (("quick", "--data", "birds:x"), "is no folder"),
        (("quick", "--data", "birds:x", "--set", "image=3"), "did you mean 'images'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(run, arguments, says):
    ended = run("benchmark", *arguments)
    assert ended.code == 2
    assert says in ended.err
    assert len(ended.err.splitlines()) == 1


def test_without_the_extra_the_command_says_how_to_install_it(run, ask, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name == "duckdb" else find(name, *a),
    )
    ended = run(*ask("out"))
    assert ended.code == 2
    assert "pip install 'regionwise[benchmark]'" in ended.err


def test_the_package_and_its_command_do_without_the_extra():
    program = (
        "import sys\nsys.modules['pyarrow'] = sys.modules['duckdb'] = None\n"
        "import regionwise, regionwise.apps.cli, regionwise.benchmark.score\n"
        "import regionwise.benchmark.run, regionwise.benchmark.summary\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def start(arguments):
    line = [sys.executable, "-m", "regionwise", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def cut_off(process, out, how):
    """Wait for two chunks, then send a signal; return the code and the words."""
    deadline = time.monotonic() + 100
    while len(list(out.glob("rows/[!.]*.parquet"))) < 2:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(how)
    _, words = process.communicate(timeout=60)
    return process.returncode, words


@pytest.mark.slow
def test_after_kill_9_the_same_command_ends_with_the_same_rows(run, ask, tmp_path):
    assert run(*ask("whole")).code == 0
    out = tmp_path / "cut"
    process = start(ask("cut", pause=0.05))
    code, _ = cut_off(process, out, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert (out / "run.lock").exists(), "a killed process leaves its lock, which stops nobody"
    assert 2 <= len(rows(out)) < len(rows(tmp_path / "whole"))
    done = run(*ask("cut"))
    assert done.code == 0
    assert "going on: " in done.err
    whole, cut = rows(tmp_path / "whole"), rows(out)
    assert whole.keys() == cut.keys()
    for key, value in whole.items():
        assert cut[key] == pytest.approx(value, rel=1e-5, nan_ok=True)
    assert not list(out.rglob(".*"))


@pytest.mark.slow
def test_a_second_run_into_the_folder_is_refused_and_ctrl_c_leaves_whole_chunks(run, ask, tmp_path):
    out = tmp_path / "cut"
    process = start(ask("cut", pause=0.05))
    while not (out / "run.lock").exists():
        assert process.poll() is None
        time.sleep(0.005)
    refused = run(*ask("cut", pause=0.05))
    assert refused.code == 2
    assert f"another process (number {process.pid}) benchmarks into" in refused.err
    code, words = cut_off(process, out, signal.SIGINT)
    assert code == 130
    assert "goes on from there" in words
    assert "Traceback" not in words
    assert not list(out.rglob(".*"))
    assert run(*ask("cut")).code == 0
