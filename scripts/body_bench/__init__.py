"""Bodies with known lesions, for fitting and judging the search outside the liver."""
