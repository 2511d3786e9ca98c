"""The windows and panels that Qt shows."""
