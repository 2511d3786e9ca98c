"""The plots that a reviewer of a trial expects: waterfall, spider and swimmer, as SVG with a table behind each."""
