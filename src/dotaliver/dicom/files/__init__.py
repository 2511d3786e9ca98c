"""DICOM files: found, bounded, parsed, stacked."""
