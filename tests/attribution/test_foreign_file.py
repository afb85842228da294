"""Methods in a file of the user: what they are given, what is made of it, and what is refused."""

import numpy as np
import pytest
import torch

from footprint import assert_untouched, snapshot
from regionwise import explain, explain_all
from regionwise.attribution.asked import as_recipe, as_recipes
from regionwise.errors import ModelError, SettingError, TargetError
from regionwise.report.manifest import method_record

FILE = """
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

from regionwise import RawMaps, Recipe


@dataclass(frozen=True)
class MyCAM(Recipe):
    needs = {"gradients"}
    signed = True
    title = "Mine"
    power: float = 1.0
    how: Literal["sum", "mean"] = "sum"
    chunk: int = field(default=8, metadata={"run_only": True})

    def __call__(self, probe):
        maps = probe.gradients * probe.activations[:, None]
        return RawMaps(maps.mean(2) if self.how == "mean" else maps.sum(2), {"power": self.power})


class Greedy(Recipe):
    def __call__(self, probe):
        return RawMaps(probe.gradients.sum(2))


class Lazy(Recipe):
    def __call__(self, probe):
        return probe.activations


def gradient(model, inputs, targets, gain=1.0, seed=0, name="x"):
    assert not model.training and inputs.shape[1:] == (3, 16, 12)
    inputs.requires_grad_()
    scores = model(inputs).gather(1, targets[:, None]).sum()
    return gain * torch.autograd.grad(scores, inputs)[0].sum(1)


gradient.signed = True


class Drawn:
    title = "Drawn"

    def __init__(self, rows=4, **more):
        self.rows, self.more = rows, more

    def __call__(self, model, inputs, targets):
        return np.random.rand(len(inputs), self.rows, 3)[:, ::-1]


def careless(model, inputs, targets):
    model.train()
    model(inputs).sum().backward()
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.add_(1)
            parameter.requires_grad_(number > 0)
    model.register_forward_hook(lambda *_: None)
    model.fc = torch.nn.Identity()
    model.spare = 3
    inputs.zero_()
    torch.rand(3)
    np.random.rand(3)
    if len(targets) > 2:
        raise KeyError("three\\nimages")
    return targets[:, None, None].expand(-1, 2, 2)


def whole(model, inputs, targets):
    return targets[:, None, None].expand(-1, 2, 3)


def nan(model, inputs, targets):
    maps = torch.zeros(len(inputs), 2, 2)
    maps[1, 0, 0] = float("nan")
    return maps


def flat(model, inputs, targets):
    return torch.zeros(len(inputs), 4)


def texts(model, inputs, targets):
    return np.array([[["a"]]] * len(inputs))


def nothing(model, inputs, targets):
    return None


def growing(model, inputs, targets):
    return torch.zeros(len(inputs), 2, 2 + int(targets[0]))


def greedy_for_memory(model, inputs, targets):
    raise torch.OutOfMemoryError("full")


class Uncallable:
    pass


class Wrong(Recipe):
    needs = {"gradient"}

    def __call__(self, probe):
        return RawMaps(probe.activations)


NUMBER = 3
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "my_file.py"
    path.write_text(FILE)
    return path


def test_a_recipe_in_a_file_is_a_method_like_ours(file, pooled_net, images):
    found = explain_all(
        pooled_net,
        images,
        ["hires-cam:relu=false", f"{file}:MyCAM", f"{file}:MyCAM:how=mean,chunk=2"],
        "top-2",
    )
    ours, own, mean = found.values()
    assert list(found) == ["hires-cam:relu=false", "my_file.py:MyCAM", "my_file.py:MyCAM:how=mean"]
    torch.testing.assert_close(own.maps, ours.maps)
    torch.testing.assert_close(mean.maps, ours.maps / 6)
    assert own.signed
    assert own.details == {"power": 1.0}
    record = method_record(as_recipe(f"{file}:MyCAM:power=2"))
    assert record["id"] == "my_file.py:MyCAM:power=2.0"
    assert (record["title"], record["reference"]) == ("Mine", "my_file.py")
    assert record["settings"] == {"power": 2.0, "how": "sum", "chunk": 8}


def test_a_recipe_in_a_file_keeps_the_graph(file, pooled_net, images):
    found = explain(pooled_net, images, f"{file}:MyCAM", create_graph=True)
    (gradient,) = torch.autograd.grad(found.maps.sum(), [pooled_net.features[0].weight])
    assert gradient.abs().sum() > 0


def test_a_function_is_called_once_for_each_target(file, pooled_net, images):
    ours = explain(pooled_net, images, "gradient:reduce=sum", "top-2")
    own = explain(pooled_net, images, f"{file}:gradient:gain=2", "top-2")
    torch.testing.assert_close(own.maps, 2 * ours.maps)
    assert own.method == "my_file.py:gradient:gain=2.0"
    assert own.signed
    whole = explain(pooled_net, images, f"{file}:whole", [[0, 3], [1, 2], [2, 1]])
    assert whole.maps.dtype == images.dtype
    assert whole.maps[:, :, 0, 0].tolist() == [[0, 3], [1, 2], [2, 1]]


def test_an_instance_is_called_and_draws_the_same_each_time(file, pooled_net, images):
    first, again = (explain(pooled_net, images, f"{file}:Drawn:rows=5,free=yes") for _ in range(2))
    assert first.method == "my_file.py:Drawn:free=true,rows=5"
    assert first.maps.shape == (3, 1, 5, 3)
    assert torch.equal(first.maps, again.maps)
    assert not first.signed


def test_settings_are_read_by_their_defaults(file):
    given = as_recipe(f"{file}:gradient:gain=1,seed=0,name=7")
    assert given.id == "my_file.py:gradient:name=7"
    assert dict(given.settings) == {"gain": 1.0, "seed": 0, "name": "7"}


def test_whatever_is_done_to_the_model_it_comes_back_as_it_was(file, pooled_net, images):
    pooled_net.fc.weight.grad = torch.ones_like(pooled_net.fc.weight)
    pooled_net.features[2].train()
    before = snapshot(pooled_net)
    for method in ("careless", "gradient", "Drawn"):
        explain_all(pooled_net, images[:2], [f"{file}:{method}", "grad-cam"], [1, 2])
        assert_untouched(before, pooled_net)
    with pytest.raises(ModelError):
        explain(pooled_net, images, f"{file}:careless", [1, 2, 0])
    assert_untouched(before, pooled_net)


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("careless", r"'my_file.py:careless' failed \(line \d+\): KeyError: .*three"),
        ("nan", "'my_file.py:nan' gave NaN or infinity in the map of image 1"),
        ("flat", r"gave maps of shape \(3, 4\), not \(3, rows, columns\)"),
        ("texts", "gave ndarray of <U1, not maps"),
        ("nothing", "gave None, not maps"),
        ("growing", "maps of another shape for another class"),
        ("Greedy", "failed .* this probe was opened without 'gradients'"),
        ("Lazy", r"gave a Tensor, not RawMaps\(maps\)"),
    ],
)
def test_what_a_method_must_not_give_is_told_with_its_name(file, pooled_net, images, method, says):
    with pytest.raises(ModelError, match=says):
        explain(pooled_net, images, f"{file}:{method}", [[0, 1]] * 3)


def test_memory_that_runs_out_is_not_told_as_a_fault(file, pooled_net, images):
    with pytest.raises(torch.OutOfMemoryError):
        explain(pooled_net, images, f"{file}:greedy_for_memory")


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("MyCAM:powr=1", SettingError, "'my_file.py:MyCAM' has no setting 'powr': did you mean"),
        ("MyCAM:power=x", SettingError, "give a number"),
        ("MyCAM:how=max", SettingError, "one of sum, mean"),
        ("gradient:gian=1", SettingError, "did you mean 'gain'"),
        ("gradient:gain", SettingError, "write setting=value"),
        ("MyCam", SettingError, "has no 'MyCam': did you mean 'MyCAM'"),
        ("NUMBER", SettingError, "is no method"),
        ("Uncallable", SettingError, "give it a method __call__"),
        ("Wrong", SettingError, r"'needs' of 'my_file.py:Wrong' cannot be .* give some of"),
        ("Drawn:rows=1,rows=2", SettingError, "given twice"),
        ("", SettingError, "is cut short"),
        ("gradient:", SettingError, "is cut short"),
    ],
)
def test_what_is_no_method_is_refused_at_the_door(file, name, error, says):
    with pytest.raises(error, match=says):
        as_recipe(f"{file}:{name}")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("x = (", ModelError, r"cannot be run.* SyntaxError"),
        ("import nowhere_to_be_found", ModelError, r"\(line 1\): ModuleNotFoundError"),
        ("import sys\nsys.exit(0)", ModelError, r"it ends the program"),
        ("class A:\n  def __init__(self): raise ValueError('no')", ModelError, "line 2.* no"),
    ],
)
def test_a_file_that_cannot_be_run_is_told(tmp_path, text, error, says):
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(error, match=says):
        as_recipe(f"{tmp_path / 'bad.py'}:A")
    with pytest.raises(SettingError, match="No such file"):
        as_recipe(f"{tmp_path / 'none.py'}:A")


def test_a_file_is_run_once_for_each_content(tmp_path, pooled_net, images):
    path = tmp_path / "counts.py"
    text = "with open(__file__[:-2] + 'n', 'a') as seen: seen.write('x')\n"
    text += "def f(model, inputs, targets): return inputs[:, 0] * 0 + {}\n"
    found = []
    for value in (1, 2):
        path.write_text(text.format(value))
        found += [explain(pooled_net, images, f"{path}:f").maps.mean().item() for _ in range(2)]
    assert found == [1, 1, 2, 2]
    assert path.with_suffix(".n").read_text() == "xx"
    assert not (tmp_path / "__pycache__").exists()


def test_two_files_of_one_name_are_not_confused(file, tmp_path):
    (tmp_path / "my_file.py").write_text(FILE)
    with pytest.raises(SettingError, match=r"would both be called 'my_file.py:MyCAM'"):
        as_recipes([f"{file}:MyCAM", f"{tmp_path / 'my_file.py'}:MyCAM"])
    assert len(as_recipes([f"{file}:MyCAM", f"{file.parent}/./my_file.py:MyCAM"])) == 1


def test_what_a_function_cannot_do_is_refused(file, pooled_net, images):
    own = f"{file}:whole"
    with pytest.raises(TargetError, match="explains classes"):
        explain(pooled_net, images, own, lambda logits: logits[:, 0])
    with pytest.raises(SettingError, match=r"'my_file.py:whole' gives no map that could be diff"):
        explain(pooled_net, images, own, create_graph=True)
    with pytest.raises(SettingError, match=r"'my_file.py:whole' does not use a layer"):
        explain(pooled_net, images, own, layer=["features.1", "features.3"])
    volume = torch.nn.Sequential(
        torch.nn.Conv3d(3, 2, 3), torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten()
    )
    with pytest.raises(SettingError, match="explains images"):
        explain(volume, torch.rand(1, 3, 8, 8, 8), own)


def test_pictures_and_files_of_such_a_method(file, pooled_net, images, tmp_path):
    found = explain(pooled_net, images[:1], f"{file}:Drawn:name=a/b")
    found.save(tmp_path / "out", torch.rand(1, 3, 16, 12))
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["my_file.py,Drawn,name=a_b.npz", "my_file.py,Drawn,name=a_b.png"]
    with np.load(tmp_path / "out" / names[0]) as kept:
        assert kept["map"].shape == (1, 4, 3)
