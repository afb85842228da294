"""Slow, literal copies of the equations, written from the papers and not from `src/`.

Every replica works in float64 on one image, one target and one channel at a time, with plain
Python loops over the cells. Nothing in here imports `regionwise`.
"""
