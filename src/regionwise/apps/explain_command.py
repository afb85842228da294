"""``regionwise explain``: pictures in, overlays and maps out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regionwise.apps.engine_options import (
    Address,
    Cpus,
    EngineName,
    EngineRequest,
    Gpus,
    WorkerCount,
)
from regionwise.apps.progress import progress_bar
from regionwise.apps.request import LEDGER, ExplainRequest
from regionwise.uris import is_uri, shown


def explain(  # noqa: PLR0913 - one parameter for each option
    images: Annotated[
        list[str],
        typer.Argument(
            help="Image files, folders of images, or quoted patterns such as 'pics/*.jpg'; "
            "archives (.tar, .parquet); and all of these behind s3://, gs://, ...",
            show_default=False,
        ),
    ],
    *,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="birds, torchvision:NAME, timm:NAME, hf:NAME, or file.py:factory.",
        ),
    ] = "birds",
    method: Annotated[
        list[str],
        typer.Option(
            "--method",
            help="A method, settings behind a colon: score-cam++:activation=mish. "
            "May be repeated; [bold]regionwise methods[/bold] lists them. "
            "Or one of your own, my_file.py:MyCAM, or of captum, captum:Saliency.",
        ),
    ] = ["grad-cam", "score-cam++"],  # noqa: B006 - typer copies it
    target: Annotated[
        str, typer.Option("--target", "-t", help="top-1, top-K, a class name, or its index.")
    ] = "top-1",
    against: Annotated[
        str | None,
        typer.Option("--against", help="Explain the target's lead over this class."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            help="The layer to explain; given several times, their maps are fused.",
            show_default="the last with a spatial map",
        ),
    ] = None,
    fuse: Annotated[
        str, typer.Option("--fuse", help="How layers are fused: mean, max or scaled-max.")
    ] = "mean",
    out: Annotated[
        str, typer.Option("--out", "-o", help="Folder for the results; also s3://, gs://, ...")
    ] = "regionwise-out",
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="files: a folder for each image; webdataset or parquet: a file for each batch.",
        ),
    ] = "files",
    pictures: Annotated[
        bool, typer.Option(help="Keep overlays too, or maps alone, which is faster.")
    ] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write into a folder that is not empty.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the same command was cut off.")
    ] = False,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")] = "cpu",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images at a time.")] = 8,
    weights: Annotated[
        str, typer.Option("--weights", help="pretrained, random, or a file with weights.")
    ] = "pretrained",
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            help="float32, bfloat16 or float16 in front of the layer; float32 behind it.",
            show_default="that of the weights",
        ),
    ] = None,
    accelerate: Annotated[
        str | None,
        typer.Option(
            "--accelerate",
            help="compile or cuda-graphs, for methods that score masked images.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            min=0,
            max=2**31 - 1,
            help="For methods that draw numbers.",
            show_default="each its own",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only say what would be done and, by a short measurement, how long."
        ),
    ] = False,
    engine: EngineName = "local",
    address: Address = None,
    workers: WorkerCount = None,
    cpus: Cpus = 1.0,
    gpus: Gpus = 0.0,
) -> None:
    """Explain what a classifier sees in images.

    Writes for each image a folder with an overlay (PNG) and the map (NPZ) of each
    method, then one sheet with all at a glance, and a manifest of how it was made.
    """
    request = ExplainRequest(
        images=tuple(images),
        model=model,
        methods=tuple(method),
        target=target,
        against=against,
        layers=tuple(layer or ()),
        fuse=fuse,
        out=out,
        format=form,
        pictures=pictures,
        overwrite=overwrite,
        resume=resume,
        device=device,
        batch_size=batch_size,
        weights=weights,
        precision=precision,
        accelerate=accelerate,
        seed=seed,
        dry_run=dry_run,
        engine=EngineRequest(engine, address, workers, cpus, gpus),
    )
    request.engine.check(device)
    try:
        from regionwise.apps.explain_run import explain_images  # noqa: PLC0415 - loads torch

        outcome = explain_images(request, progress_bar("Explaining"))
    except KeyboardInterrupt:
        left = f"what is in {shown(out)!r} is whole, but has no manifest"
        more = "; --resume goes on from there"
        some = not dry_run and (is_uri(out) or Path(out).exists())
        left += more if is_uri(out) or (Path(out) / LEDGER).exists() else ""
        typer.echo(f"interrupted: {left if some else 'nothing was written'}", err=True)
        raise typer.Exit(130) from None
    typer.echo(outcome.summary)
    if outcome.failed:
        raise typer.Exit(1)
