"""Lightning's trainer, set up quietly and put away without a trace."""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from torch.multiprocessing.spawn import ProcessRaisedException

from regionwise import errors
from regionwise.errors import ModelError, OutputError, RegionwiseError
from regionwise.training.checkpoints import WholeCheckpoints
from regionwise.training.request import TrainRequest

TENSORBOARD: Final = "tensorboard"
_VARIABLES: Final = ("CUBLAS_WORKSPACE_CONFIG", "TORCH_CPP_LOG_LEVEL")
_LOUD: Final = ("lightning.pytorch", "lightning.fabric", "lightning")


def trainer_for(
    request: TrainRequest, *, epochs: int, callbacks: Sequence[Callback]
) -> lightning.Trainer:
    """Return a trainer that prints nothing and decides nothing by itself."""
    accelerator, devices = _devices(request)
    several = request.devices > 1
    strategy: Any = "auto"
    if several:
        backend = "nccl" if accelerator == "cuda" else "gloo"
        strategy = DDPStrategy(
            start_method="spawn", process_group_backend=backend, find_unused_parameters=True
        )
    return lightning.Trainer(
        accelerator=accelerator,
        devices=devices,
        strategy=strategy,
        default_root_dir=request.out,
        precision=request.precision,  # type: ignore[arg-type]  # checked with the request
        max_epochs=epochs,
        accumulate_grad_batches=request.accumulate,
        logger=TensorBoardLogger(request.out, name=TENSORBOARD, version=""),
        callbacks=[*callbacks, Hushed()] if several else list(callbacks),
        plugins=[WholeCheckpoints()],
        deterministic="warn" if accelerator == "cuda" else None,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10**9,
    )


def fit(
    trainer: lightning.Trainer,
    training: lightning.LightningModule,
    data: lightning.LightningDataModule,
    checkpoint: Path | None,
) -> None:
    """Train, from a checkpoint if there is one.

    Raises:
        KeyboardInterrupt: somebody pressed Ctrl-C; what was written before is whole.
        OutputError: Lightning or TensorBoard cannot write into the folder.
        RegionwiseError: as in one of several processes.
    """
    try:
        trainer.fit(training, data, ckpt_path=None if checkpoint is None else str(checkpoint))
    except SystemExit as error:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from error
    except ProcessRaisedException as error:
        raise _from_process(error) from error
    except OSError as error:  # what is read is checked before; these are the logs
        where = f" in {str(trainer.default_root_dir)!r}"
        raise OutputError(f"cannot write{where}: {error.strerror or error}") from error


class Hushed(Callback):
    """Silences Lightning in the processes that it starts: each unpacks its own copy of this."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Have the process hushed that this is unpacked in."""
        return _unpack_hushed, ()


def _unpack_hushed() -> Hushed:
    _hush()
    return Hushed()


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning, and restore logging, Ctrl-C, the environment and determinism.

    TensorBoard writes in a thread; what it cannot write is raised here at the next epoch, so that
    the thread need not print it, too.
    """
    handler = signal.getsignal(signal.SIGINT)
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    before = {name: os.environ.get(name) for name in _VARIABLES}
    thread_hook = threading.excepthook
    threading.excepthook = partial(_unless_unwritten, thread_hook)
    with ExitStack() as stack:
        stack.enter_context(_hushed())
        _set_variable("TORCH_CPP_LOG_LEVEL", "ERROR")  # read by the processes to come
        try:
            yield
        finally:
            threading.excepthook = thread_hook
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                signal.signal(signal.SIGINT, handler)
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
            for name, value in before.items():
                _set_variable(name, value)


def _unless_unwritten(
    hook: Callable[[threading.ExceptHookArgs], object], told: threading.ExceptHookArgs
) -> None:
    if not issubclass(told.exc_type, OSError):
        hook(told)


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


@contextmanager
def _hushed() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _LOUD]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        _hush()
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _hush() -> None:
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)


def _devices(request: TrainRequest) -> tuple[str, int | list[int]]:
    device = torch.device(request.device)
    numbered = ":" in request.device
    return device.type, [device.index] if numbered else request.devices


def _from_process(error: ProcessRaisedException) -> RegionwiseError:
    """Return the error that a process raised, or one that quotes its last line."""
    last = str(error).strip().splitlines()[-1]
    found = re.fullmatch(r"regionwise\.errors\.(\w+): (.*)", last)
    kind = getattr(errors, found[1], ModelError) if found else ModelError
    made: RegionwiseError = kind(found[2] if found else f"a process failed: {last}")
    return made
