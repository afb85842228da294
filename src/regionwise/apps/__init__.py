"""Adapters for people: the command line. Nothing imports them back."""
