"""The record for people and other programs: tables, report and DICOM objects."""
