"""DICOM in: which series a folder holds, their voxels, how they were acquired, and masks."""
