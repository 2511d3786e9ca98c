"""The other organs: kidneys, spleen, blood pool, lobes."""
