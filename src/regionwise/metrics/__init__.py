"""How good a map is: one protocol per file, formula and recipe."""
