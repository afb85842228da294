"""What happens beside the training: keeping the best, keeping the last, telling how far it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from torch import Tensor

from regionwise.errors import ModelError
from regionwise.training.checkpoints import LAST, WEIGHTS, WholeCheckpoints, write_weights
from regionwise.training.curves import METRICS, write_metrics
from regionwise.training.module import RegionTraining, kept_so_far
from regionwise.training.request import Told


class Recorder(Checkpoint):
    """Writes the best weights, the table of epochs, and at last the checkpoint, after each epoch.

    The best epoch has the highest validation accuracy of the head; of equals, the lowest loss.
    Without validation images it is the last. What is known of the epochs travels in the
    checkpoint, so that a run that goes on has all of them.

    Attributes:
        rows: one for each epoch: rate, loss and accuracies in training and validation, seconds.
        best: number of the best epoch, from 1; 0 before the first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rows: list[dict[str, float]] = []
        self.best = 0
        self._began = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return what the checkpoint keeps."""
        return {"rows": self.rows, "best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what a checkpoint kept."""
        self.rows, self.best = list(state_dict["rows"]), int(state_dict["best"])

    def on_train_epoch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Note when the epoch began."""
        del trainer
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Write what has been reached; the checkpoint last.

        Raises:
            ModelError: the weights are not finite; the last good ones are kept.
        """
        if not all(bool(part.isfinite().all()) for part in pl_module.network.state_dict().values()):
            raise ModelError(
                f"the weights are not finite after epoch {trainer.current_epoch + 1}; training"
                f" stops and {kept_so_far(trainer.current_epoch)}"
            )
        row = self._row(trainer, pl_module)
        self.rows.append(row)
        if self._is_best():
            self.best = len(self.rows)
            if trainer.is_global_zero:
                write_weights(pl_module.network, self._folder / WEIGHTS)
        if trainer.is_global_zero:
            write_metrics(self.rows, self._folder / METRICS)
            for logger in trainer.loggers:
                logger.log_metrics(row, step=int(row["epoch"]))
        trainer.save_checkpoint(self._folder / LAST, weights_only=False)

    def _row(self, trainer: lightning.Trainer, training: RegionTraining) -> dict[str, float]:
        def combined(sums: Tensor) -> Tensor:
            if trainer.world_size == 1:
                return sums
            added = trainer.strategy.reduce(sums.to(training.device), reduce_op="sum")
            return torch.as_tensor(added).cpu()

        row: dict[str, float] = {
            "epoch": trainer.current_epoch + 1,
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
        }
        for part, tally in training.tallies.items():
            row |= {f"{part}_{name}": value for name, value in tally.means(combined).items()}
        row["seconds"] = round(time.monotonic() - self._began, 3)
        return row

    def _is_best(self) -> bool:
        if self.best == 0 or "validation_accuracy" not in self.rows[-1]:
            return True
        return _rank(self.rows[-1]) > _rank(self.rows[self.best - 1])


class Teller(Callback):
    """Tells how far the run is, step by step and in a line for each epoch."""

    def __init__(self, told: Told, recorder: Recorder) -> None:
        self._told, self._recorder = told, recorder
        self._lines = 0

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Move the bar."""
        if trainer.is_global_zero:
            self._told.advance(1)

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Say where a run goes on that was cut off."""
        done = self._lines = trainer.current_epoch
        if done and trainer.is_global_zero:
            self._told.say(f"going on after epoch {done} of {trainer.max_epochs}")
            self._told.advance(done * int(trainer.num_training_batches))

    def on_train_epoch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Tell of the epoch before, which is written by now."""
        self._tell(trainer)

    def on_fit_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Tell of the last epoch."""
        self._tell(trainer)

    def _tell(self, trainer: lightning.Trainer) -> None:
        if trainer.is_global_zero and len(self._recorder.rows) > self._lines:
            self._lines = len(self._recorder.rows)
            self._told.say(line_of(self._recorder.rows[-1]))


def recorded(folder: Path) -> tuple[list[dict[str, float]], int]:
    """Return the rows of a run's epochs and the number of the best, from its checkpoint.

    Raises:
        WeightsError: the checkpoint is damaged.
    """
    if not (folder / LAST).exists():
        return [], 0
    state = WholeCheckpoints().load_checkpoint(folder / LAST)["callbacks"][Recorder.__qualname__]
    return list(state["rows"]), int(state["best"])


def line_of(row: dict[str, float]) -> str:
    """Return an epoch in a line: ``epoch 3: loss 0.41, accuracy 0.87 (vanilla 0.90), ...``."""
    parts = [f"epoch {int(row['epoch'])}: loss {row['train_loss']:.4f}"]
    for part in ("train", "validation"):
        if f"{part}_accuracy" in row:
            text = f"{part} accuracy {row[f'{part}_accuracy']:.4f}"
            if f"{part}_vanilla_accuracy" in row:
                text += f" (vanilla {row[f'{part}_vanilla_accuracy']:.4f})"
            parts.append(text)
    return ", ".join([*parts, f"{row['seconds']:.1f} s"])


def _rank(row: dict[str, float]) -> tuple[float, float]:
    return row["validation_accuracy"], -row["validation_loss"]
