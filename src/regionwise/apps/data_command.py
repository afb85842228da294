"""``regionwise data``: data sets that are rendered here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regionwise.apps.progress import progress_bar

data = typer.Typer(no_args_is_help=True, help="Render data sets with known ground truth.")


@data.callback()
def _data() -> None:
    """Render data sets with known ground truth."""


@data.command()
def birds(  # noqa: PLR0913 - one parameter for each option
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the data set.")],
    classes: Annotated[int, typer.Option("--classes", min=2, help="Kinds of birds.")] = 24,
    images_per_class: Annotated[
        int, typer.Option("--images-per-class", min=1, help="Images of each kind.")
    ] = 60,
    seed: Annotated[int, typer.Option("--seed", help="The same seed, the same pixels.")] = 0,
    size: Annotated[int, typer.Option("--size", min=32, help="Pixels on a side.")] = 224,
    birds_per_image: Annotated[
        int, typer.Option("--birds-per-image", min=1, max=4, help="Birds in each image.")
    ] = 1,
    groups: Annotated[
        int,
        typer.Option("--groups", min=0, help="Individuals with a style of their own; 0 for none."),
    ] = 0,
) -> None:
    """Render fine-grained classes of birds in the layout of CUB-200-2011.

    With exact part masks, and scenes that can be rendered again with a part replaced or removed.
    """
    from regionwise.data.birds import write_birds  # noqa: PLC0415 - help shall answer at once

    total = classes * images_per_class
    with progress_bar("Rendering")(total) as progress:
        drawn = 0

        def advance(done: int, _: int) -> None:
            nonlocal drawn
            progress.advance(done - drawn)
            drawn = done

        write_birds(
            out,
            classes=classes,
            images_per_class=images_per_class,
            seed=seed,
            size=size,
            birds_per_image=birds_per_image,
            groups=groups,
            progress=advance,
        )
    typer.echo(f"{total} images of {classes} classes: {out}")
