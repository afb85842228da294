"""Heads: from the last spatial evidence to class probabilities."""
