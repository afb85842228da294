"""The work behind ``regionwise layers``: trace one image, and say of each map what is known."""

from __future__ import annotations

from typing import Any

from regionwise.errors import LayerError
from regionwise.evidence.tracing import trace_layers
from regionwise.models.grids import Grid
from regionwise.models.layers import LayerRecord, choose_layer
from regionwise.models.wrappers import unwrap
from regionwise.zoo import load_model


def list_layers(model: str, *, weights: str, size: int | None) -> dict[str, Any]:
    """Return the layers of a model that give a map, as JSON can hold them.

    Raises:
        RegionwiseError: the model cannot be loaded, or does not run on such an input.
    """
    classifier = load_model(model, weights=weights)
    noise = classifier.noise((size, size) if size else None)
    records = trace_layers(unwrap(classifier.module), noise)
    try:
        chosen = classifier.layer or choose_layer(records)
    except LayerError:
        if not any(r.grid is not None for r in records):
            raise
        chosen = ""
    return {
        "model": classifier.source,
        "size": list(noise.shape[2:]),
        "chosen": chosen or None,
        "layers": [_record(r, r.grid, chosen) for r in records if r.grid is not None and r.name],
    }


def _record(record: LayerRecord, grid: Grid, chosen: str) -> dict[str, Any]:
    axis = {"nchw": 1, "nhwc": 3, "tokens": 2}[grid.layout]
    return {
        "name": record.name,
        "kind": record.kind,
        "layout": grid.layout,
        "prefix": grid.prefix,
        "channels": record.shape[axis],
        "rows": grid.rows,
        "columns": grid.columns,
        "reach": record.reach,
        "chosen": record.name == chosen,
        "note": _note(record),
    }


def _note(record: LayerRecord) -> str:
    if record.calls > 1:
        return f"runs {record.calls} times: ambiguous"
    if record.reach is not None and not record.explainable:
        return "gets no gradient"
    if record.class_map:
        return "a map per class"
    if record.in_attention:
        return "inside attention"
    return "passes on" if record.transparent else ""
