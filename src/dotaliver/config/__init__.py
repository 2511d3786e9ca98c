"""Every setting and constant, one file per stage, and the trial protocol."""
