"""One patient's course as tables and a page."""
