"""The frozen types that the stages pass on, and what ``score.json`` is made of."""
