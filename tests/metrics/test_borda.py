"""Borda counts: ties by hand, and the counts that CAPE's Table 1 prints."""

import math

import pytest

from regionwise.errors import InputError
from regionwise.metrics.borda import borda_count, dense_ranks, first_ranks

# Chowdhury et al. 2024, Table 1: AD, IC, ADD, ADCC, mIoU, BC of CUB, ImageNet, CMML.
TABLE = """
CAM          21.2 27.9 67.4 78.8  75.9  0 12.6 41.9 49.2 73.4  84.4 2 17.4 36.0 54.8 73.6   0.1 7
Grad-CAM     21.6 27.5 66.8 77.3 100.0  0 12.7 41.4 48.7 72.9 100.0 0 18.2 35.3 54.0 70.6 100.0 0
Grad-CAM++   20.3 28.7 68.9 77.4 100.0  0 13.1 39.6 47.8 72.4 100.0 0 20.1 37.7 52.5 68.4 100.0 0
SG-CAM++     23.7 24.0 64.7 74.2  99.8  0 15.0 35.2 46.2 70.5  99.8 0 31.8 31.5 47.0 70.2  99.7 0
Layer-CAM    20.1 28.7 69.9 77.3 100.0  0 13.1 39.2 48.4 71.4 100.0 0 21.6 37.1 51.8 65.9 100.0 0
FD-CAM       20.5 27.9 70.9 78.1  96.7  1 15.8 38.3 49.5 72.5 100.0 0 17.8 38.9 54.3 71.9  99.7 2
LIFT-CAM     20.9 25.6 64.5 74.6  83.3  0 12.7 41.1 49.3 72.3  89.8 0 16.4 37.8 54.0 72.5   0.1 6
Score-CAM    16.3 33.0 73.1 80.2  81.9  6  8.5 46.9 52.6 72.9  80.2 5 17.0 40.3 48.3 67.7  77.0 1
CAPE(PF)     22.2 26.5 68.7 73.7  13.4  3 17.5 45.2 59.7 69.1  11.0 7 27.9 35.0 39.9 67.9   4.9 0
CAPE(TS)     27.1 31.6 59.1 77.5  28.5  3 34.7 34.2 41.3 69.9  56.8 2 29.9 27.4 36.3 72.0   0.8 1
mu-CAPE(PF)  15.9 30.9 69.6 83.0  66.6  5 12.7 43.9 55.9 74.3  70.3 5 16.5 43.6 45.5 78.2   0.6 7
mu-CAPE(TS)  10.3 48.5 74.2 84.4  80.9 12 10.7 58.3 58.7 73.5  89.0 9 14.1 48.0 50.1 78.4   5.3 9
"""
METRICS = ("AD", "IC", "ADD", "ADCC", "mIoU")
DIRECTIONS = {"AD": "lower", "IC": "higher", "ADD": "higher", "ADCC": "higher", "mIoU": "lower"}


def published(place):
    """Values by metric, and Borda counts, of one data set."""
    rows = [line.split() for line in TABLE.strip().splitlines()]
    columns = [[float(row[1 + 6 * place + k]) for row in rows] for k in range(6)]
    return [row[0] for row in rows], dict(zip(METRICS, columns, strict=False)), columns[5]


def agreement(ties):
    wrong = []
    for place, name in enumerate(("CUB", "ImageNet", "CMML")):
        methods, values, printed = published(place)
        counted = borda_count(values, DIRECTIONS, ties=ties)
        wrong += [
            (name, method, int(theirs), ours)
            for method, theirs, ours in zip(methods, printed, counted, strict=True)
            if theirs != ours
        ]
    return wrong


def test_35_of_36_published_counts_follow_dense_ranks():
    assert agreement("dense") == [("CMML", "Grad-CAM", 0, 1)]


def test_skipping_ranks_explains_the_published_counts_less_well():
    assert len(agreement("first")) > 1


def test_ranks_by_hand():
    assert dense_ranks([3.0, 5.0, 5.0, 1.0], "higher") == [2, 1, 1, 3]
    assert first_ranks([3.0, 5.0, 5.0, 1.0], "higher") == [3, 1, 1, 4]
    assert dense_ranks([3.0, 5.0, 5.0, 1.0], "lower") == [2, 3, 3, 1]
    assert dense_ranks([math.nan, 2.0, 1.0], "higher") == [None, 1, 2]
    assert first_ranks([math.nan, 2.0, 1.0], "lower") == [None, 2, 1]


def test_counts_by_hand():
    table = {"AD": [0.1, 0.2, 0.3, 0.4], "IC": [1.0, 1.0, 0.5, math.nan], "area": [1, 2, 3, 4]}
    directions = {"AD": "lower", "IC": "higher", "area": "none"}
    assert borda_count(table, directions) == [6, 5, 3, 0]
    assert borda_count(table, directions, ties="first") == [6, 5, 2, 0]
    assert borda_count(table, directions, points=1) == [2, 1, 0, 0]


def test_what_is_refused():
    with pytest.raises(InputError, match="every method"):
        borda_count({"AD": [1.0, 2.0], "IC": [1.0]}, DIRECTIONS)
    with pytest.raises(InputError, match="direction"):
        borda_count({"new": [1.0]}, DIRECTIONS)
    with pytest.raises(InputError, match="every method"):
        borda_count({}, DIRECTIONS)
