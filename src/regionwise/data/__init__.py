"""Images in, samples out: the rendered birds, and the layouts of data sets on disk."""
