"""Attribution: from evidence to maps. One paper family per file, formula first, recipe second."""
