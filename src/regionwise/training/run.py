"""A training, from the request to the card."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import lightning
import torch

from regionwise._version import __version__
from regionwise.errors import ModelError
from regionwise.files import write_json
from regionwise.lock import holding
from regionwise.models.hashes import sha256_of
from regionwise.models.runs import HASH
from regionwise.models.weights import load_weights
from regionwise.training.batches import EpochBatches, Features, check_readable
from regionwise.training.callbacks import Recorder, Teller, recorded
from regionwise.training.checkpoints import LAST, WEIGHTS
from regionwise.training.curves import CURVES, write_curves
from regionwise.training.data import Feeding, RegionData
from regionwise.training.evaluation import evaluate, features_of
from regionwise.training.folder import CARD, enter_folder, finished
from regionwise.training.memory import enough_memory
from regionwise.training.module import RegionTraining
from regionwise.training.plan import Plan, make_plan
from regionwise.training.request import OpenTold, Plain, RunResult, Silent, Told, TrainRequest
from regionwise.training.trainer import fit, quiet, trainer_for
from regionwise.training.views import View


def train(request: TrainRequest, open_told: OpenTold | None = None) -> RunResult:
    """Train a network into a folder; go on where an earlier run of the same request was cut off.

    The folder holds ``config.json`` from the start, ``weights.safetensors`` (the best epoch),
    ``metrics.csv`` and ``last.ckpt`` from the first epoch on, ``curves.png`` and ``card.json`` at
    the end. A folder with a card is finished: nothing is trained again.

    Args:
        request: what is wanted.
        open_told: opens a progress bar for a number of steps.

    Raises:
        RegionwiseError: the request cannot be met, or the loss is not finite any more.
        KeyboardInterrupt: somebody pressed Ctrl-C; the best weights so far are kept, and the same
            request goes on after the last whole epoch.
    """
    with enough_memory():
        plan = make_plan(request)
        card = finished(request.out, plan.config)
        if card is None:
            with holding(request.out):
                return _enter(plan, open_told or _nobody)
    return RunResult(request.out, card, trained=False)


def _enter(plan: Plan, open_told: OpenTold) -> RunResult:
    """Train in a folder that is held, unless another process has finished the run meanwhile."""
    request = plan.request
    card = enter_folder(request.out, plan.config)
    if card is not None:
        return RunResult(request.out, card, trained=False)
    device = torch.device(request.device)
    drawn_on = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=drawn_on):
        return RunResult(request.out, _train(plan, open_told), trained=True)


def _train(plan: Plan, open_told: OpenTold) -> Mapping[str, Any]:
    """Train and write everything; return the card."""
    request = plan.request
    training = RegionTraining(
        plan.network,
        plan.scheme,
        plan.preprocessing,
        seed=request.seed,
        names={
            part: [sample.name for sample in getattr(plan.splits, part)]
            for part in ("train", "validation")
        },
    )
    data = _data(plan, training)
    with _told(open_told, plan) as told:
        for note in plan.notes:
            told.say(note)
        try:
            _fit(plan, training, data, told)
        finally:
            rows, _ = recorded(request.out)
            if rows:
                write_curves(rows, request.out / CURVES, title=_title(plan))
    return _finish(plan, training)


def views_of(plan: Plan) -> tuple[View, View]:
    """Return what is seen of training images, and of the others."""
    seed = plan.request.seed
    train = View(plan.preprocessing, plan.scheme.augmentation, seed)
    return train, View(plan.preprocessing, "none", seed)


def _data(plan: Plan, training: RegionTraining) -> RegionData:
    """Return the images, or what a frozen backbone says of them."""
    request, scheme = plan.request, plan.scheme
    check_readable(plan.splits.test)
    train_view, test_view = views_of(plan)
    features: list[Features | None] = [None, None]
    training.to(torch.device(request.device))
    if scheme.frozen and scheme.augmentation in {"flip", "none"}:
        pairs = ((plan.splits.train, train_view), (plan.splits.validation, test_view))
        features = [
            features_of(training, samples, view, batch=scheme.batch, seed=request.seed)
            if samples
            else None
            for samples, view in pairs
        ]
    feeding = Feeding(
        scheme.batch // request.accumulate, request.seed, request.workers, features[0], features[1]
    )
    data = RegionData(plan.splits, train_view, test_view, feeding)
    data.check()
    return data


def _fit(plan: Plan, training: RegionTraining, data: RegionData, told: Told) -> None:
    """Train; what happens in other processes is read from the disk afterwards."""
    request = plan.request
    recorder = Recorder(request.out)
    callbacks: list[lightning.Callback] = [recorder]
    if not isinstance(told, Silent):
        several = request.devices > 1  # a progress bar cannot go to other processes
        callbacks.append(Teller(Plain() if several else told, recorder))
    last = request.out / LAST
    with quiet():
        trainer = trainer_for(request, epochs=plan.scheme.epochs, callbacks=callbacks)
        fit(trainer, training, data, last if last.exists() else None)


def _finish(plan: Plan, training: RegionTraining) -> Mapping[str, Any]:
    """Look at the test images once, with the best weights, and write the card."""
    request = plan.request
    load_weights(training.network, request.out / WEIGHTS)
    training.to(torch.device(request.device))
    _, view = views_of(plan)
    results: dict[str, Any] = {}
    for name in ("validation", "test"):
        samples = getattr(plan.splits, name)
        found = evaluate(training, samples, view, batch=plan.scheme.batch) if samples else None
        results[name] = found if found is None else {"images": len(samples), **_numbers(found)}
    rows, best = recorded(request.out)
    card = {
        "title": _title(plan),
        "network": plan.config["network"],
        "scheme": plan.config["scheme"],
        "data": plan.config["data"],
        "training": plan.config["training"],
        "epochs": len(rows),
        "best_epoch": best,
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        "device": request.device,
        "results": results,
        HASH: sha256_of(request.out / WEIGHTS),
        "versions": _versions(),
    }
    write_json(request.out / CARD, card)
    return card


def _numbers(found: Mapping[str, float]) -> dict[str, float | None]:
    """Return what JSON can hold; an infinite loss, of a label of no probability, is left out.

    Raises:
        ModelError: the network answers with NaN.
    """
    if any(math.isnan(value) for value in found.values()):
        raise ModelError(
            "the trained network answers with NaN; train it anew with a lower lr (--set lr=...)"
        )
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def _title(plan: Plan) -> str:
    network = plan.config["network"]
    return f"{network['head']} on {network['backbone']['source']}, {plan.card.name}"


def _versions() -> dict[str, str]:
    return {
        "regionwise": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "lightning": str(lightning.__version__),
    }


def _told(open_told: OpenTold, plan: Plan) -> Any:
    request, scheme = plan.request, plan.scheme
    size = scheme.batch // request.accumulate
    steps = len(EpochBatches(len(plan.splits.train), size))
    return open_told(steps * scheme.epochs)


@contextmanager
def _nobody(total: int) -> Iterator[Told]:
    del total
    yield Silent()
