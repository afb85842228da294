"""By whom work is done: the options that ``explain`` and ``benchmark`` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

import typer

from regionwise.errors import SettingError, nearest

ENGINES: Final = ("local", "ray")

EngineName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--engine",
        help="local, or ray: workers in processes of this machine, or on a cluster.",
        rich_help_panel="Workers",
    ),
]
Address: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Of a Ray cluster: auto, HOST:6379, ray://HOST:10001.",
        show_default="RAY_ADDRESS, or one is started here",
        rich_help_panel="Workers",
    ),
]
WorkerCount: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--workers",
        help="How many: N, or MIN:MAX to begin with MIN and take up to MAX.",
        show_default="as many as have room",
        rich_help_panel="Workers",
    ),
]
Cpus: TypeAlias = Annotated[
    float,
    typer.Option(
        "--cpus-per-worker",
        help="CPUs, and so many threads, of a worker.",
        rich_help_panel="Workers",
    ),
]
Gpus: TypeAlias = Annotated[
    float,
    typer.Option(
        "--gpus-per-worker",
        help="GPUs of a worker; 0.5 puts two on one. Goes with --device cuda.",
        rich_help_panel="Workers",
    ),
]


@dataclass(frozen=True)
class EngineRequest:
    """What was asked of an engine, unchecked; fields as the options."""

    name: str = "local"
    address: str | None = None
    workers: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    @property
    def ray(self) -> bool:
        """Whether Ray is asked for."""
        return self.name == "ray"

    def check(self, device: str) -> None:
        """Refuse what does not go together.

        Raises:
            SettingError: says what does not, and what would.
        """
        if self.name not in ENGINES:
            raise SettingError(f"there is no engine {self.name!r}: {nearest(self.name, ENGINES)}")
        if not self.ray and self != LOCAL:
            raise SettingError(
                "--address, --workers, --cpus-per-worker and --gpus-per-worker are for --engine ray"
            )
        if self.cpus < 0 or self.gpus < 0 or self.cpus + self.gpus == 0:
            raise SettingError(
                f"a worker cannot have {self.cpus:g} CPUs and {self.gpus:g} GPUs; give one of them"
            )
        if self.ray and (device.partition(":")[0] == "cuda") != (self.gpus > 0):
            raise SettingError(
                f"--device {device} with {self.gpus:g} GPUs per worker; give --device cuda together"
                " with --gpus-per-worker"
            )
        if self.ray and device.startswith("cuda:"):
            raise SettingError(f"--device {device}: Ray gives each worker its own; say cuda")
        self.counts()

    def counts(self) -> tuple[int, int | None]:
        """Return the least and the most workers, ``None``: as many as have room.

        Raises:
            SettingError: the text means no numbers.
        """
        least, colon, most = (self.workers or "1:").partition(":")
        try:
            low = int(least or 1)
            high = int(most) if most else (None if colon else low)
        except ValueError:
            low, high = 0, None
        if low < 1 or (high is not None and high < low):
            raise SettingError(f"--workers cannot be {self.workers!r}; give N, or MIN:MAX")
        return low, high


LOCAL: Final = EngineRequest()
"""This process."""
