"""A training from the request to the card, and what it leaves behind."""

import json
import shutil
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from regionwise.errors import (
    DataError,
    ImageError,
    ModelError,
    OutputError,
    SettingError,
    WeightsError,
)
from regionwise.training import checkpoints
from regionwise.training.callbacks import recorded
from regionwise.training.module import RegionTraining
from regionwise.training.run import train
from regionwise.zoo import load_model

FILES = {
    "config.json",
    "weights.safetensors",
    "metrics.csv",
    "curves.png",
    "card.json",
    "last.ckpt",
    "tensorboard",
}


@pytest.fixture
def vanilla(ask):
    """A finished vanilla network."""
    return str(train(ask(head="pooled", out="vanilla")).folder)


@pytest.mark.parametrize(
    ("head", "scheme"),
    [("pooled", None), ("cape", "from-scratch"), ("cape", "direct-ce"), ("calm", None)],
)
def test_every_head_is_trained_into_a_folder_that_opens_again(ask, head, scheme):
    result = train(ask(head=head, scheme=scheme))
    assert result.trained
    assert {path.name for path in result.folder.iterdir()} == FILES
    classifier = load_model(str(result.folder))
    assert classifier.layer == "backbone"
    logits = classifier(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 3)
    assert torch.equal(
        classifier.module.state_dict()["head." + _weight(head)],
        load_file(result.folder / "weights.safetensors")["head." + _weight(head)],
    )
    test = result.card["results"]["test"]
    assert 0 <= test["accuracy"] <= 1
    assert 1 / 3 <= test["confidence"] <= 1
    assert ("vanilla_accuracy" in test) is (scheme == "from-scratch")
    assert result.card["epochs"] == 2


def _weight(head):
    return {"pooled": "linear.weight", "cape": "weight", "calm": "cue.weight"}[head]


def test_the_card_says_what_was_published_and_what_was_changed(ask):
    card = json.loads((train(ask(head="calm")).folder / "card.json").read_text())
    assert card["scheme"]["name"] == "calm-em"
    assert card["scheme"]["changed"] == {"epochs": 2, "batch": 4, "size": 32}
    assert card["scheme"]["settings"]["multiplier"] == 10
    assert card["data"]["train"] + card["data"]["validation"] + card["data"]["test"] == 24


def test_the_card_counts_what_the_network_says(ask, birds):
    request = ask(head="pooled", out="counted")
    result = train(request)
    classifier = load_model(str(result.folder))
    from regionwise.data.images import open_image  # noqa: PLC0415
    from regionwise.training.samples import read_data  # noqa: PLC0415

    samples = read_data(request.data).test
    with torch.no_grad():
        logits = classifier(classifier.preprocessing([open_image(s.path) for s in samples]))
    right = sum(int(row.argmax()) == s.label for row, s in zip(logits, samples, strict=True))
    test = result.card["results"]["test"]
    assert test["accuracy"] == pytest.approx(right / len(samples))
    assert test["confidence"] == pytest.approx(logits.softmax(1).amax(1).mean().item(), abs=1e-5)


def test_post_fitting_trains_the_head_and_nothing_else(ask, vanilla):
    before = load_file(f"{vanilla}/weights.safetensors")
    result = train(ask("lr=0.5", head="cape", given=vanilla))
    after = load_file(result.folder / "weights.safetensors")
    for name, tensor in before.items():
        own = name.replace("head.linear", "vanilla.linear")
        assert torch.equal(after[own], tensor), name
    assert not torch.equal(after["head.weight"], after["vanilla.linear.weight"])
    assert not torch.equal(after["head.log_temperatures"], torch.zeros(1))


def test_post_fitting_begins_off_the_shelf(ask, vanilla):
    result = train(ask("lr=0", head="cape", given=vanilla))
    after = load_file(result.folder / "weights.safetensors")
    assert torch.equal(after["head.weight"], after["vanilla.linear.weight"])
    assert torch.equal(after["head.bias"], after["vanilla.linear.bias"])


@pytest.mark.parametrize("augmentation", ["none", "flip"])
def test_cached_features_train_the_same_head_as_pictures(ask, vanilla, monkeypatch, augmentation):
    chosen = f"augmentation={augmentation}"
    cached = train(ask("lr=0.5", chosen, head="cape", given=vanilla, out="cached"))
    monkeypatch.setattr("regionwise.training.evaluation.FEATURE_BYTES", 0)
    fresh = train(ask("lr=0.5", chosen, head="cape", given=vanilla, out="fresh"))
    one, other = (load_file(r.folder / "weights.safetensors") for r in (cached, fresh))
    for name, tensor in one.items():
        assert torch.allclose(tensor, other[name], atol=1e-5), name


def test_three_temperatures_are_taken_over_from_a_network_that_learnt_them(ask):
    scratch = train(ask(scheme="from-scratch-code", out="scratch"))
    learnt = load_file(scratch.folder / "weights.safetensors")["head.log_temperatures"]
    assert learnt.shape == (3,)
    fitted = train(ask("lr=0", scheme="post-fitting-code", given=str(scratch.folder)))
    after = load_file(fitted.folder / "weights.safetensors")
    assert torch.equal(after["head.log_temperatures"], learnt)


def test_from_scratch_the_backbone_hears_nothing_of_cape(ask):
    """Only alpha's cross entropy reaches the backbone: beta changes nothing in it."""
    runs = [
        train(ask(f"beta={beta}", scheme="from-scratch", out=f"beta{beta}")) for beta in (0.5, 2)
    ]
    one, other = (torch.load(r.folder / "last.ckpt", weights_only=True) for r in runs)
    names = [n for n in one["state_dict"] if not n.startswith("network.head.")]
    assert all(torch.equal(one["state_dict"][n], other["state_dict"][n]) for n in names)
    head = "network.head.weight"
    assert not torch.equal(one["state_dict"][head], other["state_dict"][head])


def test_a_slow_copy_can_give_the_pseudo_targets(ask):
    result = train(ask("em_teacher=ema", "em_decay=0.5", head="calm"))
    state = torch.load(result.folder / "last.ckpt", weights_only=True)["state_dict"]
    slow, fast = state["teacher.head.cue.weight"], state["network.head.cue.weight"]
    assert not torch.equal(slow, fast)
    assert not any(
        name.startswith("teacher") for name in load_file(result.folder / checkpoints.WEIGHTS)
    )


def test_accumulating_gives_the_step_of_the_whole_batch(ask, monkeypatch):
    """Without batch normalisation, which sees the parts: in eval mode."""
    monkeypatch.setattr(RegionTraining, "_set_modes", lambda self: self.network.eval())
    plain = ask("momentum=0", "nesterov=off", head="calm", validation=0.0)
    runs = [train(replace(plain, accumulate=parts, out=plain.out / str(parts))) for parts in (1, 2)]
    one, other = (torch.load(r.folder / "last.ckpt", weights_only=True) for r in runs)
    for name, tensor in one["state_dict"].items():
        assert torch.allclose(tensor.float(), other["state_dict"][name].float(), atol=1e-5), name


def test_mixed_precision_trains(ask):
    result = train(replace(ask(scheme="from-scratch"), precision="bf16-mixed"))
    state = load_file(result.folder / "weights.safetensors")
    assert all(t.dtype == torch.float32 for t in state.values() if t.is_floating_point())


def test_the_best_epoch_is_kept_by_validation_accuracy_then_loss(ask):
    result = train(ask("epochs=5", head="calm"))
    rows, best = recorded(result.folder)
    wanted = max(rows, key=lambda r: (r["validation_accuracy"], -r["validation_loss"]))
    assert best == wanted["epoch"] == result.card["best_epoch"]
    validation = result.card["results"]["validation"]
    assert validation["loss"] == pytest.approx(rows[best - 1]["validation_loss"], abs=1e-5)


def test_without_validation_the_last_epoch_is_kept(ask):
    result = train(replace(ask(head="calm"), validation=0.0))
    assert result.card["best_epoch"] == 2
    assert result.card["results"]["validation"] is None


def test_a_finished_run_is_not_trained_again(ask, monkeypatch):
    first = train(ask(head="calm"))
    monkeypatch.setattr("regionwise.training.run.fit", None)
    second = train(ask(head="calm"))
    assert not second.trained
    assert second.card == json.loads(json.dumps(first.card))


def test_another_request_for_the_same_folder_is_refused_by_setting(ask):
    train(ask(head="calm"))
    with pytest.raises(SettingError, match=r"scheme\.settings\.lr was 0\.01, now 0\.5"):
        train(replace(ask(head="calm"), settings=("epochs=2", "batch=4", "lr=0.5")))
    with pytest.raises(SettingError, match=r"training\.seed was 0, now 1"):
        train(replace(ask(head="calm"), seed=1))
    with pytest.raises(SettingError, match=r"network\.head was \"calm\", now \"pooled\""):
        train(ask(head="pooled"))


def test_a_folder_with_something_else_in_it_is_refused(ask):
    request = ask(head="calm")
    request.out.mkdir()
    (request.out / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="not empty and holds no run"):
        train(request)
    assert (request.out / "thesis.txt").exists()


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_weights(ask, monkeypatch):
    good = train(ask("epochs=1", head="calm", out="good")).folder
    step = RegionTraining.step

    def poisoned(self, batch):
        found = step(self, batch)
        bad = self.current_epoch == 1 and self.training
        return replace(found, loss=found.loss * float("nan")) if bad else found

    monkeypatch.setattr(RegionTraining, "step", poisoned)
    request = ask("schedule=constant", head="calm")
    with pytest.raises(ModelError, match=r"nan in epoch 2, train batch 1 \(images '00.*png'"):
        train(request)
    kept = load_file(request.out / "weights.safetensors")
    wanted = load_file(good / "weights.safetensors")
    assert all(torch.equal(kept[name], wanted[name]) for name in wanted)
    assert not (request.out / "card.json").exists()
    assert load_model(str(request.out)).weights == "weights.safetensors"


@pytest.mark.parametrize("name", ["weights.safetensors", "metrics.csv", "last.ckpt", "card.json"])
def test_a_full_disk_leaves_nothing_half_written(ask, monkeypatch, name):
    from pathlib import Path  # noqa: PLC0415

    write, text = Path.write_bytes, Path.write_text

    def full(self, content, *rest, **named):
        writer = write if isinstance(content, bytes) else text
        begun = name != "card.json" or (self.parent / "metrics.csv").exists()
        if begun and self.name.startswith(".") and self.suffix == Path(name).suffix:
            writer(self, content[: len(content) // 2], *rest, **named)
            raise OSError(28, "No space left on device")
        return writer(self, content, *rest, **named)

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(Path, "write_text", full)
    request = ask(head="calm")
    with pytest.raises(OutputError, match="No space left"):
        train(request)
    monkeypatch.undo()
    left = {path.name for path in request.out.iterdir()}
    assert name not in left
    assert not {n for n in left if n.startswith(".")}
    assert train(request).trained, "the same request goes on once there is space"


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"head": "cape"}, SettingError, "give --from"),
        ({"head": "calm", "scheme": "post-fitting"}, SettingError, "trains a cape head"),
        ({"head": "calm", "precision": "8-bit"}, SettingError, "bf16-mixed"),
        ({"head": "calm", "accumulate": 3}, SettingError, "cannot be shared"),
        ({"head": "calm", "device": "quantum"}, SettingError, "no device"),
        ({"head": "calm", "backbone": None}, SettingError, "--backbone"),
        ({"head": "calm", "backbone": "birdnet", "weights": None}, SettingError, "random"),
        ({"head": "calm", "data": "folder:nowhere"}, DataError, "no folder"),
        ({"given": "birds-1"}, ModelError, "24 classes and the data have 3"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(ask, changes, error, says):
    request = ask(**changes)
    with pytest.raises(error, match=says):
        train(request)
    assert not (request.out / "weights.safetensors").exists()


def test_a_network_that_is_not_pooling_and_linear_cannot_be_post_fitted(ask, tmp_path):
    (tmp_path / "curved.py").write_text(
        "import torch\nfrom torch import nn\n\n\ndef net():\n    torch.manual_seed(0)\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1),"
        " nn.Flatten(), nn.LayerNorm(4), nn.Linear(4, 3))\n"
    )
    with pytest.raises(ModelError, match=r"cannot be post-fitted: .*LayerNorm stands between"):
        train(ask(given=f"{tmp_path / 'curved.py'}:net"))


def test_a_calm_network_has_no_vanilla_head_to_learn_from(ask):
    calm = train(ask(head="calm", out="calm"))
    with pytest.raises(ModelError, match="no vanilla head"):
        train(ask(given=str(calm.folder)))


def renamed(birds, folder, names):
    """Copy the birds with other class folders, as a folder data set."""
    for old, new in zip(sorted((birds / "images").iterdir()), names, strict=True):
        shutil.copytree(old, folder / new)
    return f"folder:{folder}"


def test_a_teacher_with_the_classes_in_another_order_is_refused(ask, birds, tmp_path):
    wren, robin = (renamed(birds, tmp_path / n, names) for n, names in ORDERS.items())
    teacher = train(ask(head="pooled", data=wren, out="teacher"))
    config = teacher.folder / "config.json"
    text = config.read_text().replace('"a"', '"?"').replace('"c"', '"a"').replace('"?"', '"c"')
    config.write_text(text)
    with pytest.raises(DataError, match=r"class 0 is 'a' .* and 'c' in"):
        train(ask(given=str(teacher.folder), data=wren))
    lines = []
    train(ask(given=str(teacher.folder), data=robin), telling(lines))
    assert lines[0].startswith("note: class 0 is 'x'")


ORDERS = {"wren": ("a", "b", "c"), "robin": ("x", "y", "z")}


def telling(lines):
    """Return what opens a bar that keeps its lines."""

    class Told:
        advance = staticmethod(lambda _: None)
        say = staticmethod(lines.append)

    return lambda _: nullcontext(Told())


def test_another_network_can_start_from_a_finished_backbone(ask, vanilla):
    before = load_file(f"{vanilla}/weights.safetensors")
    result = train(ask("lr=0", head="calm", given=vanilla, size=32))
    after = load_file(result.folder / "weights.safetensors")
    name = next(n for n in before if n.endswith("conv1.weight"))
    assert torch.equal(before[name], after[name])


def test_a_picture_that_cannot_be_read_is_named(ask, birds, tmp_path):
    copy = shutil.copytree(birds, tmp_path / "broken")
    picture = min((copy / "images").rglob("*.png"))
    picture.write_bytes(picture.read_bytes()[:200])
    with pytest.raises(ImageError, match=picture.name):
        train(ask(head="calm", data=f"folder:{copy / 'images'}", validation=0.0))


def test_a_damaged_checkpoint_is_refused_by_name(ask):
    request = ask(head="calm")
    train(request)
    (request.out / "card.json").unlink()
    (request.out / "last.ckpt").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(WeightsError, match=r"last\.ckpt"):
        train(request)


def test_training_leaves_the_process_as_it_was(ask):
    import logging  # noqa: PLC0415
    import os  # noqa: PLC0415
    import signal  # noqa: PLC0415

    torch.manual_seed(7)
    levels = logging.getLogger("lightning.pytorch").level
    before = (torch.get_rng_state(), signal.getsignal(signal.SIGINT), dict(os.environ))
    train(ask(head="calm"))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert signal.getsignal(signal.SIGINT) is before[1]
    assert dict(os.environ) == before[2]
    assert logging.getLogger("lightning.pytorch").level == levels
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_run_tells_how_far_it_is(ask):
    from contextlib import contextmanager  # noqa: PLC0415

    lines, steps, totals = [], [], []

    class Told:
        advance = staticmethod(steps.append)
        say = staticmethod(lines.append)

    @contextmanager
    def opened(total):
        totals.append(total)
        yield Told()

    train(ask(scheme="from-scratch"), opened)
    assert sum(steps) == totals[0]
    assert [line.split(":")[0] for line in lines] == ["epoch 1", "epoch 2"]
    assert "vanilla" in lines[0]


def test_double_precision_trains(ask):
    result = train(ask(scheme="from-scratch", precision="64-true"))
    assert load_model(str(result.folder)).module.head.weight.dtype == torch.float32
    assert result.card["results"]["test"]["loss"] > 0


def test_a_finished_run_whose_weights_are_lost_is_told(ask):
    request = ask("epochs=1", head="calm")
    (train(request).folder / "weights.safetensors").unlink()
    with pytest.raises(WeightsError, match="no weights file"):
        train(request)


def test_a_picture_of_the_test_set_is_read_before_the_first_step(ask, birds, tmp_path):
    copy = shutil.copytree(birds / "images", tmp_path / "broken" / "train")
    shutil.copytree(birds / "images", tmp_path / "broken" / "test")
    picture = min((tmp_path / "broken" / "test").rglob("*.png"))
    whole = picture.read_bytes()
    picture.write_bytes(whole[:200])
    request = ask(head="calm", data=f"folder:{copy.parent}")
    with pytest.raises(ImageError, match=r"test.*cut short"):
        train(request)
    assert {path.name for path in request.out.iterdir()} == {"config.json"}
    picture.write_bytes(whole)
    assert train(request).trained, "once it is put right, the same request begins"


def test_a_network_that_answers_with_nan_gets_no_card(ask):
    """One step away from everything, and no validation images that would tell."""
    request = ask("epochs=1", "batch=64", "lr=1e38", scheme="vanilla", validation=0.0)
    with pytest.raises(ModelError, match=r"NaN|not finite"):
        train(request)
    assert not (request.out / "card.json").exists()


def test_an_infinite_test_loss_is_left_out_of_the_card(ask, monkeypatch):
    found = {"loss": float("inf"), "accuracy": 0.5, "confidence": 1.0}
    monkeypatch.setattr("regionwise.training.run.evaluate", lambda *_, **__: found)
    card = json.loads((train(ask("epochs=1", head="calm")).folder / "card.json").read_text())
    assert card["results"]["test"]["loss"] is None
    assert card["results"]["test"]["accuracy"] == 0.5


def test_logs_that_cannot_be_written_stop_the_run_in_one_line(ask, monkeypatch, capfd):
    """TensorBoard writes in a thread of its own, which must not print what it cannot do."""
    from tensorboard.compat.tensorflow_stub.io.gfile import GFile  # noqa: PLC0415

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(GFile, "write", full)
    request = ask(head="calm")
    with pytest.raises(OutputError, match=r"cannot write in .*run'?: No space left"):
        train(request)
    assert "Traceback" not in capfd.readouterr().err
    monkeypatch.undo()
    assert train(request).trained
