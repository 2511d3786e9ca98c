"""From activity to SUV, without any DICOM."""
