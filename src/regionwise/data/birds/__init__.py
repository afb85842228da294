"""Rendered birds: fine-grained classes made of parts, with exact masks and scenes to edit.

``species`` gives the classes, ``sample_scene`` a scene of one, ``render`` its pixels and masks -
if asked with parts replaced or removed - and ``write_birds`` a data set in CUB's layout.
"""

from regionwise.data.birds.classes import Species, replacement, species
from regionwise.data.birds.files import read_scenes
from regionwise.data.birds.plumage import Changes, Plumage, differing_parts
from regionwise.data.birds.rendering import Rendered, render
from regionwise.data.birds.sampling import Style, sample_scene, style
from regionwise.data.birds.scene import RENDERER_VERSION, Bird, Scene
from regionwise.data.birds.vocabulary import MEMBERS, PART_IDS, PARTS, UNITED_PARTS
from regionwise.data.birds.writing import BirdsSettings, write_birds

__all__ = [
    "MEMBERS",
    "PARTS",
    "PART_IDS",
    "RENDERER_VERSION",
    "UNITED_PARTS",
    "Bird",
    "BirdsSettings",
    "Changes",
    "Plumage",
    "Rendered",
    "Scene",
    "Species",
    "Style",
    "differing_parts",
    "read_scenes",
    "render",
    "replacement",
    "sample_scene",
    "species",
    "style",
    "write_birds",
]
