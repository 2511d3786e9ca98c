"""A phantom abdomen with known truth: anatomy, physics, DICOM writer and presets."""
