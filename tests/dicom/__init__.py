"""Tests of `dotaliver.dicom`."""
