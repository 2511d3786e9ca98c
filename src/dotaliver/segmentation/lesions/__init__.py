"""Lesions on PET, their borders on CT, and focal lesions that only the CT shows."""
