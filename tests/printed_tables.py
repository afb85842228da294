"""The numbers of the four papers' tables, as printed."""

from functools import partial

# As printed: label | numbers. SG-CAM++ is Smooth Grad-CAM++.
CAPE_1 = """
CAM | 21.2 27.9 67.4 78.8 75.9 0 12.6 41.9 49.2 73.4 84.4 2 17.4 36.0 54.8 73.6 0.1 7
Grad-CAM | 21.6 27.5 66.8 77.3 100.0 0 12.7 41.4 48.7 72.9 100.0 0 18.2 35.3 54.0 70.6 100.0 0
Grad-CAM++ | 20.3 28.7 68.9 77.4 100.0 0 13.1 39.6 47.8 72.4 100.0 0 20.1 37.7 52.5 68.4 100.0 0
SG-CAM++ | 23.7 24.0 64.7 74.2 99.8 0 15.0 35.2 46.2 70.5 99.8 0 31.8 31.5 47.0 70.2 99.7 0
Layer-CAM | 20.1 28.7 69.9 77.3 100.0 0 13.1 39.2 48.4 71.4 100.0 0 21.6 37.1 51.8 65.9 100.0 0
FD-CAM | 20.5 27.9 70.9 78.1 96.7 1 15.8 38.3 49.5 72.5 100.0 0 17.8 38.9 54.3 71.9 99.7 2
LIFT-CAM | 20.9 25.6 64.5 74.6 83.3 0 12.7 41.1 49.3 72.3 89.8 0 16.4 37.8 54.0 72.5 0.1 6
Score-CAM | 16.3 33.0 73.1 80.2 81.9 6 8.5 46.9 52.6 72.9 80.2 5 17.0 40.3 48.3 67.7 77.0 1
CAPE (PF) | 22.2 26.5 68.7 73.7 13.4 3 17.5 45.2 59.7 69.1 11.0 7 27.9 35.0 39.9 67.9 4.9 0
CAPE (TS) | 27.1 31.6 59.1 77.5 28.5 3 34.7 34.2 41.3 69.9 56.8 2 29.9 27.4 36.3 72.0 0.8 1
μ -CAPE (PF) | 15.9 30.9 69.6 83.0 66.6 5 12.7 43.9 55.9 74.3 70.3 5 16.5 43.6 45.5 78.2 0.6 7
μ -CAPE (TS) | 10.3 48.5 74.2 84.4 80.9 12 10.7 58.3 58.7 73.5 89.0 9 14.1 48.0 50.1 78.4 5.3 9
"""
CAPE_2 = """
Naive AVG | 89.5 79.01 74.01
Off-the-shelf | 87.4 80.62 74.01
Direct CE (TS) | 88.8 80.51 72.95
Bootstrap (PF) | 90.3 82.12 74.42
Bootstrap (TS) | 89.8 82.19 74.64
Vanilla classification | 90.5 83.34 76.13
"""
CALM_1 = """
Vanilla Gradient | 10.0 13.7 15.3 13.9
Integrated Gradient | 12.0 15.1 17.3 15.7
Smooth Gradient | 11.8 15.5 18.6 16.5
Variance Gradient | 16.7 21.1 23.1 21.4
CAM | 24.1 28.3 32.2 29.6
CALM_ML | 23.6 26.7 28.8 27.3
CALM_EM | 30.4 33.3 36.3 34.3
"""
CALM_2 = """
Baseline | 70.6 72.1 74.5
CALM_EM | 71.8 70.1 70.4
CALM_ML | 59.6 70.9 70.6
"""
CALM_3 = """
HaS | 62.6 60.6 57.4
ACoL | 61.1 60.0 56.3
SPG | 62.2 57.5 59.1
ADL | 61.6 61.1 56.9
CutMix | 62.2 60.8 59.5
InCA | 63.1 63.4 -
CAM | 62.4 61.1 60.0
CAM + Y | 60.6 63.4 60.0
CALM_EM | 62.5 52.5 62.7
CALM_EM + Y | 62.8 65.4 62.7
CALM_ML | 62.6 61.3 62.3
CALM_ML + Y | 62.7 68.0 62.3
"""
SCORE_CAM_PP_1 = """
| GradCAM GradCAM++ XGradCAM LayerCAM ScoreCAM AugGradCAM++ ScoreCAM++
Average Drop % | 8.62 8.55 8.62 8.48 6.89 9.22 3.29
Increase in Confidence | 34.95 33.15 34.85 33.25 39.25 28.00 50.25
Win % | 10.05 3.20 4.60 1.50 14.75 7.70 58.20
"""
SCORE_CAM_PP_2 = """
| GradCAM GradCAM++ XGradCAM LayerCAM ScoreCAM AugGradCAM++ ScoreCAM++
Average Drop % | 8.92 7.22 7.08 7.64 7.33 7.59 3.24
Increase in Confidence | 48.30 47.05 52.70 46.00 47.05 42.45 60.95
Win % | 12.85 6.15 16.65 6.40 13.50 7.15 37.30
"""
SCORE_CAM_PP_3 = """
| GradCAM GradCAM++ XGradCAM LayerCAM ScoreCAM AugGradCAM++ ScoreCAM++
Average Drop % | 9.77 9.98 9.75 9.87 8.48 10.46 4.17
Increase in Confidence | 28.45 26.30 28.60 26.65 31.15 22.20 43.75
Win % | 5.65 2.15 9.00 1.70 9.50 9.85 62.15
"""
SCORE_CAM_PP_4 = """
| GradCAM GradCAM++ XGradCAM LayerCAM ScoreCAM AugGradCAM++ ScoreCAM++
Average Drop % | 12.51 13.87 11.43 13.17 12.75 12.93 7.28
Increase in Confidence | 28.85 23.95 30.95 24.40 26.75 21.40 38.25
Win % | 12.50 4.25 17.35 5.05 9.05 10.65 41.15
"""
SCORE_CAM_PP_5 = """
| Tanh(.) ReLU(.) Sigmoid(.) Mish(.) Swish(.)
AD% | 4.27 7.97 6.04 8.71 8.97
liC | 43.14 34.79 34.43 32.95 32.14
Win% | 51.65 15.28 15.05 6.16 11.84
"""
SCORE_CAM_PP_6 = """
| Normalization+Upsampled Normalization
Average Drop % | 4.28 9.76
Increase in Confidence | 43.13 28.07
Win | 79.86 20.14
"""
SCORE_CAM_PP_8 = """
| GradCAM GradCAM++ XGradCAM LayerCAM ScoreCAM ScoreCAM++
Average Drop % | 48.99 56.90 45.63 18.17 19.31 6.52
Increase in Confidence | 9.85 7.30 7.75 18.50 29.75 36.35
Win % | 5.35 4.60 5.40 17.95 27.75 38.95
"""
SCORE_CAM_PP_7 = """
| GradCAM GradCAM++ XGradCAM LayerCAM ScoreCAM AugGradCAM++ ScoreCAM++
drop in logit | 7.81 8.04 7.92 7.99 7.89 9.08 9.65
"""

PARTS = ("1", "2", "3", "mean")
CAPE_COLUMNS = ("AD", "IC", "ADD", "ADCC", "mIoU", "BC")
SCORE_CAM_PP = {
    1: (SCORE_CAM_PP_1, "Dogs vs. Cats"),
    2: (SCORE_CAM_PP_2, "Dogs vs. Cats"),
    3: (SCORE_CAM_PP_3, "ImageNet"),
    4: (SCORE_CAM_PP_4, "ImageNet"),
    5: (SCORE_CAM_PP_5, "ImageNet"),
    6: (SCORE_CAM_PP_6, "ImageNet"),
    7: (SCORE_CAM_PP_7, "ImageNet"),
    8: (SCORE_CAM_PP_8, "ImageNet"),
}
ROWS = {
    "Average Drop %": "AD",
    "AD%": "AD",
    "Increase in Confidence": "IC",
    "liC": "IC",
    "Win %": "Win",
    "Win%": "Win",
    "Win": "Win",
    "drop in logit": "drop in logit",
}


def rows_of(text):
    lines = [line.split("|") for line in text.strip().splitlines()]
    return {label.strip(): numbers.split() for label, numbers in lines}


def cells(text, columns):
    """Return (data, row, column): number, by the data and column of each place in a row."""
    found = {}
    for label, numbers in rows_of(text).items():
        for (data, column), number in zip(columns, numbers, strict=True):
            found[data, label, column] = number
    return {key: number for key, number in found.items() if number != "-"}


def score_cam_pp(number):
    text, data = SCORE_CAM_PP[number]
    head, *body = text.strip().splitlines()
    # the one head with blanks in it
    names = [name.replace("+Up", " + Up") for name in head.strip("| ").split()]
    return {
        (data, name, ROWS[label]): value
        for label, values in rows_of("\n".join(body)).items()
        for name, value in zip(names, values, strict=True)
    }


def of_places(text, columns):
    """Return what prints a table whose columns are data and column of each place in a row."""
    return lambda: cells(text, columns)


THREE = ("CUB", "ImageNet", "CMML")
BOXES = (("ImageNet", "MaxBoxAccV2"), ("CUB", "MaxBoxAccV2"), ("OpenImages", "PxAP"))
TABLES = {
    "cape-table-1": of_places(CAPE_1, [(data, c) for data in THREE for c in CAPE_COLUMNS]),
    "cape-table-2": of_places(CAPE_2, [(data, "accuracy") for data in ("CMML", "CUB", "ImageNet")]),
    "calm-table-1": of_places(CALM_1, [("CUB", column) for column in PARTS]),
    "calm-table-2": of_places(
        CALM_2, [(data, "accuracy") for data in ("CUB", "OpenImages", "ImageNet")]
    ),
    "calm-table-3": of_places(CALM_3, BOXES),
    "union-cam-recognition": of_places(
        "UnionCAM | 1.16 2.22", [("ILSVRC2012", "seconds"), ("ILSVRC2012", "GB")]
    ),
    **{f"score-campp-table-{n}": partial(score_cam_pp, n) for n in SCORE_CAM_PP},
}


def printed(recipe):
    """Return (data, row, column): number as printed, of a recipe's table."""
    return TABLES[recipe]() if recipe in TABLES else {}
