"""Numbers to pictures: colours, overlays, panels and sheets. Knows only arrays and text."""
