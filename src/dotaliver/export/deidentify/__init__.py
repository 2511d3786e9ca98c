"""De-identified copies of what is written."""
