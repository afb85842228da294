"""The table, the weights and the checkpoint after each epoch."""

import pytest
import torch
from safetensors.torch import load_file

from regionwise.errors import ModelError
from regionwise.training.callbacks import line_of
from regionwise.training.module import RegionTraining
from regionwise.training.run import train


def test_weights_that_are_not_finite_are_never_written(ask, monkeypatch):
    """The last step of an epoch spoils them, and no loss follows that would tell."""
    ended = RegionTraining.on_train_batch_end

    def spoilt(self, *rest):
        ended(self, *rest)
        if self.current_epoch == 1:
            torch.nn.init.constant_(self.network.head.cue.weight, float("inf"))

    monkeypatch.setattr(RegionTraining, "on_train_batch_end", spoilt)
    request = ask("epochs=2", "batch=64", head="calm", validation=0.0)
    with pytest.raises(ModelError, match="not finite after epoch 2; training stops and the best"):
        train(request)
    state = load_file(request.out / "weights.safetensors")
    assert all(part.isfinite().all() for part in state.values())
    assert len((request.out / "metrics.csv").read_text().splitlines()) == 2
    kept = torch.load(request.out / "last.ckpt", weights_only=True)["state_dict"]
    assert all(part.isfinite().all() for part in kept.values())


def test_an_epoch_in_a_line():
    row = {"epoch": 3.0, "train_loss": 0.5, "train_accuracy": 0.25, "seconds": 1.0}
    assert line_of(row) == "epoch 3: loss 0.5000, train accuracy 0.2500, 1.0 s"
    row |= {"validation_accuracy": 0.5, "validation_vanilla_accuracy": 0.75}
    assert line_of(row).endswith("validation accuracy 0.5000 (vanilla 0.7500), 1.0 s")
