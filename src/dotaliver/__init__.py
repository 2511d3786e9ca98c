"""dotaliver: scores the liver on 68Ga-DOTATATE PET/CT, from DICOM to verdict."""

__version__ = "0.1.0"
