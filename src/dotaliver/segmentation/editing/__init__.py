"""What a reader's tools do to masks: scribbles, splitting, and outlines at a level of uptake. Pure functions."""
