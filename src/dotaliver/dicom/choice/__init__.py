"""Which PET and CT series are scored, and why."""
