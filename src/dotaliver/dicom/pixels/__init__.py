"""Pixel data: decoded, rescaled, kept."""
