"""Training: losses, published recipes, and the run around them (extra ``train``)."""
