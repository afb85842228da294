"""Models: which layer, which preprocessing, which head."""
