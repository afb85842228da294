"""Metrics that hold a map against known regions, one pixel at a time.

Pointing game: Zhang et al. 2018 and TorchRay. Energy pointing game: Wang et al. 2020. PxAP
and MaxBoxAcc: Choe et al. 2020, and wsolevaluation. Cue masks: Kim et al. 2021, Sec. 5.2.
"""

import math

import numpy as np

from replicas.common import array


def pixels(plane):
    rows, columns = plane.shape
    return [(y, x) for y in range(rows) for x in range(columns)]


def hit(plane, region, tolerance, ties):
    """Each brightest cell points at the pixel that holds its centre."""
    plane = array(plane)
    top = max(plane[p] for p in pixels(plane))
    rows, columns = region.shape
    hits = []
    for y, x in pixels(plane):
        if plane[y, x] == top:
            v = math.floor((y + 0.5) * rows / plane.shape[0])
            u = math.floor((x + 0.5) * columns / plane.shape[1])
            near = [
                math.hypot(y2 - v, x2 - u) < tolerance or (y2, x2) == (v, u)
                for y2, x2 in pixels(region)
                if region[y2, x2]
            ]
            hits.append(float(any(near)))
    return {"first": hits[0], "any": max(hits), "share": sum(hits) / len(hits)}[ties]


def in_box(y, x, box):
    left, top, right, bottom = box
    return top <= y + 0.5 < bottom and left <= x + 0.5 < right


def energy(plane, boxes):
    plane = array(plane)
    inside = sum(plane[y, x] for y, x in pixels(plane) if any(in_box(y, x, b) for b in boxes))
    return inside / sum(plane[p] for p in pixels(plane))


def coverage(plane, boxes):
    plane = array(plane)
    outside = [plane[y, x] for y, x in pixels(plane) if not any(in_box(y, x, b) for b in boxes)]
    means = []
    for box in boxes:
        inside = [plane[y, x] for y, x in pixels(plane) if in_box(y, x, box)]
        means.append(sum(inside) / len(inside))
    covered = [mean > sum(outside) / len(outside) for mean in means]
    return sum(covered) / len(covered), min(means) / max(means)


def precision_average(scores, labels):
    """PxAP with every distinct score as a threshold; labels of 255 do not count."""
    kept = [(s, y) for s, y in zip(scores, labels, strict=True) if y != 255]
    positives = sum(y == 1 for _, y in kept)
    total, recall_before = 0.0, 0.0
    for threshold in sorted({s for s, _ in kept}, reverse=True):
        chosen = [y for s, y in kept if s >= threshold]
        recall = sum(chosen) / positives
        total += (recall - recall_before) * sum(chosen) / len(chosen)
        recall_before = recall
    return total


def histogram_average(scores, labels, thresholds):
    """wsolevaluation's evaluator: histograms, cumulated from the top, empty bins left out."""
    edges = np.append(thresholds, [1.0, 2.0, 3.0])
    scores, labels = array(scores), array(labels)
    inside = np.histogram(scores[labels == 1], bins=edges)[0].astype(float)
    outside = np.histogram(scores[labels == 0], bins=edges)[0].astype(float)
    tp, fp = inside[::-1].cumsum(), outside[::-1].cumsum()
    some = (tp + fp) != 0
    precision = np.zeros(len(tp))
    precision[some] = tp[some] / (tp + fp)[some]
    recall = tp / inside.sum()
    return (precision[1:] * np.diff(recall))[some[1:]].sum()


def flood(mask, start, steps):
    """The pixels that hang together with `start` by `steps`."""
    found, waiting = {start}, [start]
    while waiting:
        y, x = waiting.pop()
        for dy, dx in steps:
            place = (y + dy, x + dx)
            inside = 0 <= place[0] < mask.shape[0] and 0 <= place[1] < mask.shape[1]
            if inside and place not in found and mask[place] == mask[start]:
                found.add(place)
                waiting.append(place)
    return found


FOUR = [(0, 1), (0, -1), (1, 0), (-1, 0)]
EIGHT = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]


def components(mask, steps, *, value=True):
    """Sets of pixels, by their first pixel in reading order."""
    found, seen = [], set()
    for place in pixels(mask):
        if mask[place] == value and place not in seen:
            found.append(flood(mask, place, steps))
            seen |= found[-1]
    return found


def box_of(places):
    ys, xs = [y for y, _ in places], [x for _, x in places]
    return min(xs), min(ys), max(xs) + 1, max(ys) + 1


def overlap(a, b, extra=0):
    def size(box):
        return max(0, box[2] - box[0] + extra) * max(0, box[3] - box[1] + extra)

    both = (max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
    either = size(a) + size(b) - size(both)
    return size(both) / either if either else 0.0


def component_overlaps(plane, truth, thresholds, which):
    curve = []
    for threshold in thresholds:
        found = components(array(plane) > threshold, EIGHT)
        if which == "largest" and found:
            found = [max(found, key=len)]
        pairs = [overlap(box_of(one), box) for one in found for box in truth]
        curve.append(max(pairs, default=0.0))
    return curve


def borders(mask):
    """Area and box of every border, without following any.

    An outer border encloses its component with the holes filled: a square of four such pixels adds
    1 to the area, three of them 1/2. The border of a hole passes through its neighbours above,
    below, left and right; of the picture that these and the hole make, the same is true.
    """
    padded = np.pad(mask, 1)
    found = []
    for one in components(padded, EIGHT):
        filled = np.zeros_like(padded)
        filled[tuple(zip(*one, strict=True))] = True
        around = flood(filled, (0, 0), FOUR)
        filled = np.array([[(y, x) not in around for x in range(filled.shape[1])]
                           for y in range(filled.shape[0])])  # fmt: skip
        found.append((squares(filled), box_of(one), False))
    outside = flood(np.pad(padded, 1), (0, 0), FOUR)
    for hole in components(padded, FOUR, value=False):
        if all((y + 1, x + 1) not in outside for y, x in hole):
            grown = {(y + dy, x + dx) for y, x in hole for dy, dx in [*FOUR, (0, 0)]}
            plane = np.zeros_like(padded)
            plane[tuple(zip(*grown, strict=True))] = True
            found.append((squares(plane), box_of(grown), True))
    return sorted((a, tuple(v - 1 for v in box), h) for a, box, h in found)


def squares(plane):
    area = 0.0
    for y in range(plane.shape[0] - 1):
        for x in range(plane.shape[1] - 1):
            count = int(plane[y : y + 2, x : x + 2].sum())
            area += {4: 1.0, 3: 0.5}.get(count, 0.0)
    return area


def nearest_mask(points, parts, foreground):
    mask = np.zeros(foreground.shape, dtype=bool)
    for y, x in pixels(foreground):
        best = min(points, key=lambda point: (point[1] - x) ** 2 + (point[2] - y) ** 2)
        mask[y, x] = best[0] in parts and foreground[y, x]
    return mask


def zones(segments, names, width):
    """The zone of every pixel, by name: its segment, or `a|b` on the boundary."""
    found = []
    for y, x in pixels(segments):
        own = segments[y, x]
        far = {
            other: min(
                (math.hypot(y - y2, x - x2) for y2, x2 in pixels(segments)
                 if segments[y2, x2] == other), default=math.inf
            )
            for other in range(len(names)) if other != own
        }  # fmt: skip
        nearest = min(far, key=lambda other: (far[other], other))
        pair = sorted((own, nearest))
        on = far[nearest] <= width
        found.append("|".join(names[s] for s in pair) if on else names[own])
    return found
