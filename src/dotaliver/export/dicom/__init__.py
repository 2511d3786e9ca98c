"""DICOM objects: SEG, SR, RWVM and documents."""
