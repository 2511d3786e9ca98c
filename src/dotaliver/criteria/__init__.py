"""From numbers to verdicts: one module for each criterion, and what holds for all of them."""
