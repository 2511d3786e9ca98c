"""The command line."""

from dotaliver.cli.main import main

__all__ = ["main"]
