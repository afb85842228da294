"""The work behind ``regionwise audit``: explain, check, write the page."""

from __future__ import annotations

from collections.abc import Mapping

from regionwise.apps.audit_bench import QUICK, THOROUGH, Bench, chance_of, curve_of
from regionwise.apps.audit_checks import (
    agreement_of,
    blank_of,
    checked,
    coinciding,
    grain_of,
    protocols_of,
    total_of,
    under_noise,
)
from regionwise.apps.audit_provenance import AuditRequest, provenance_of
from regionwise.apps.audit_subject import Subject, open_subject
from regionwise.apps.explain_job import with_seed
from regionwise.apps.progress import OpenProgress, Progress
from regionwise.attribution.asked import as_recipes
from regionwise.attribution.explain import explain, explain_all
from regionwise.attribution.recipe import Recipe
from regionwise.attribution.result import Attribution
from regionwise.data.images import open_image
from regionwise.errors import OutputError
from regionwise.evidence.targets import Versus
from regionwise.files import write_json, write_text
from regionwise.metrics.judge import Judge
from regionwise.report.audit_page import audit_page
from regionwise.report.audit_record import audit_record
from regionwise.report.audit_result import Audit, Contrast, Total
from regionwise.report.audit_words import headline_of, statements_of
from regionwise.report.writing import check_folder
from regionwise.zoo import load_model


def audit_image(request: AuditRequest, open_progress: OpenProgress) -> str:
    """Write the page, and the numbers if they are asked for; return the answer in words.

    Raises:
        RegionwiseError: a file, class, method or number is wrong, or a method does not apply.
    """
    _check_out(request)
    asked = _recipes(request.methods, request.seed)
    picture = open_image(request.image)
    classifier = load_model(request.model, weights=request.weights, device=request.device)
    subject = open_subject(
        classifier, picture, target=request.target, against=request.against, layer=request.layer
    )
    effort = THOROUGH if request.thorough else QUICK
    bench = Bench(subject, Judge(subject.classifier), effort, request.seed)
    recipes = asked or _recipes(default_methods(bench), request.seed)
    grains = dict.fromkeys(grain_of(recipe) for recipe in recipes.values())
    with open_progress(len(recipes) + len(grains) + 3) as progress:
        audit = audited(bench, recipes, request, progress)
    if request.json:
        write_json(request.numbers, audit_record(audit))
    write_text(request.out, audit_page(audit))
    return _words(audit, request)


def default_methods(bench: Bench) -> tuple[str, ...]:
    """Return what suits the network: its head's own method first, the centre as a control last."""
    subject = bench.subject
    first = {"cape": ("cape", "grad-cam"), "calm": ("calm", "grad-cam"), "pooled": ("cam",)}
    score_cam = ("score-cam",) if subject.channels <= bench.effort.masks else ()
    return (*first.get(subject.head, ("grad-cam",)), "layer-cam", *score_cam, "centre")


def audited(
    bench: Bench, recipes: Mapping[str, Recipe], request: AuditRequest, progress: Progress
) -> Audit:
    """Explain the prediction by all methods, and put their maps to the checks."""
    subject = bench.subject
    maps = explain_all(subject.classifier, subject.inputs, [*recipes.values()], subject.targets)
    progress.advance(1)
    chance = {}
    for grain in dict.fromkeys(grain_of(recipe) for recipe in recipes.values()):
        chance[grain] = chance_of(bench, grain)
        progress.advance(1)
    noise, noisy = under_noise(bench, recipes, maps)
    progress.advance(1)
    rows = []
    for name, recipe in recipes.items():
        rows.append(checked(bench, recipe, maps[name], noisy))
        progress.advance(1)
    exact, total = _exact(bench)
    contrast = _contrast(bench, recipes, maps)
    progress.advance(1)
    return Audit(
        source=request.image.name,
        image=subject.image,
        top=subject.top,
        classes=len(subject.probabilities),
        exclusive=subject.exclusive,
        target=subject.target,
        maps=maps,
        checked=tuple(rows),
        chance=chance,
        agreement=agreement_of(maps),
        same=coinciding(maps),
        exact=exact,
        total=total,
        contrast=contrast,
        noise=noise,
        metrics=protocols_of(bench, recipes),
        provenance=provenance_of(bench, recipes, request),
    )


def _exact(bench: Bench) -> tuple[Attribution | None, Total | None]:
    """Return the exact contributions to the class and the other one, where the head gives them."""
    recipe = own_recipe(bench.subject)
    if recipe is None:
        return None, None
    subject = bench.subject
    pair = [one.index for one in (subject.target, subject.against) if one is not None]
    found = explain(subject.classifier, subject.inputs, recipe, [pair])
    return found, total_of(bench, recipe, found)


def own_recipe(subject: Subject) -> Recipe | None:
    """Return the exact method of the network's head, if there is one."""
    if subject.head not in {"cape", "calm"}:
        return None
    return next(iter(as_recipes([subject.head]).values()))


def _contrast(
    bench: Bench, recipes: Mapping[str, Recipe], maps: Mapping[str, Attribution]
) -> Contrast | None:
    """Explain the lead over the other class, by the head's own method or the first that can."""
    subject, own = bench.subject, own_recipe(bench.subject)
    able = [
        recipe
        for name, recipe in recipes.items()
        if not recipe.card.class_agnostic and not blank_of(maps[name])
    ]
    chosen = next(iter([own] if own is not None else able), None)
    if subject.against is None or chosen is None:
        return None
    lead = Versus(subject.target.index, subject.against.index)
    found = explain(subject.classifier, subject.inputs, chosen, lead)
    if blank_of(found):
        return None
    deletion, saliency = bench.removal[0], found.saliency()[:, 0]
    other = subject.targets.new_tensor([subject.against.index])
    return Contrast(
        subject.against,
        found,
        curve_of(deletion, bench.case(saliency)),
        curve_of(deletion, bench.case(saliency, other)),
    )


def _recipes(names: tuple[str, ...], seed: int) -> dict[str, Recipe]:
    return as_recipes([with_seed(name, seed) for name in names]) if names else {}


def _check_out(request: AuditRequest) -> None:
    if request.out.suffix.lower() not in {".html", ".htm"}:
        raise OutputError(f"the page is HTML; {str(request.out)!r} must end in .html")
    check_folder(request.out.parent, overwrite=True)
    for path in (request.out, *([request.numbers] if request.json else [])):
        if path.is_dir():
            raise OutputError(f"{str(path)!r} is a folder; choose another --out")


def _words(audit: Audit, request: AuditRequest) -> str:
    lines = [headline_of(audit)]
    lines += [f"{one.grade:>7}  {one.title}: {one.text}" for one in statements_of(audit)]
    lines += [f"numbers: {request.numbers}"] if request.json else []
    return "\n".join([*lines, f"page: {request.out}"])
