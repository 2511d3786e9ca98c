"""The segmentation bench: a seeded cohort with truth, what is measured on it, and how it is shown."""
