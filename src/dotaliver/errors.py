"""What can go wrong, as types.

Every error of this package is a `DotaliverError` and also the builtin that it stands for, so that callers
may catch either. Its text is one sentence that names the file or series, what is wrong, and what would mend it.
"""

from __future__ import annotations

__all__ = [
    "AcquisitionError",
    "ClusterError",
    "ConfigError",
    "CourseError",
    "DotaliverError",
    "FileFormatError",
    "GeometryError",
    "MaskError",
    "OutputError",
    "PacsError",
    "QuantityError",
    "SegmenterError",
    "SeriesError",
    "StudyError",
    "SuvError",
]


class DotaliverError(Exception):
    """Base of every error that this package raises on purpose.

    Its text may name what stands in a file, so whatever could steer a terminal is shown as an escape.
    """

    def __str__(self) -> str:
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in super().__str__())


class GeometryError(DotaliverError, ValueError):
    """A grid that cannot be, or two grids that do not fit together."""


class QuantityError(DotaliverError, TypeError):
    """A volume of one physical quantity where another is needed."""


class ConfigError(DotaliverError, ValueError):
    """A configuration, protocol or edits file that cannot be used."""


class FileFormatError(DotaliverError, OSError):
    """A file that is damaged or not of the format that it claims."""


class StudyError(DotaliverError, LookupError):
    """A folder that holds no study that could be scored."""


class SeriesError(DotaliverError, ValueError):
    """An image series that does not form one volume."""


class AcquisitionError(DotaliverError, LookupError):
    """A DICOM element about the acquisition that is missing or contradictory."""


class SuvError(DotaliverError, ArithmeticError):
    """An activity that cannot be turned into a standardised uptake value."""


class MaskError(DotaliverError, ValueError):
    """A mask that cannot be read, or does not lie on the image."""


class SegmenterError(DotaliverError, RuntimeError):
    """A segmentation backend that is unknown or failed."""


class CourseError(DotaliverError, ValueError):
    """Scans that form no course of one patient, or a manifest that does not fit them."""


class OutputError(DotaliverError, OSError):
    """An output folder or file that cannot be written."""


class PacsError(DotaliverError, ConnectionError):
    """A PACS that cannot be reached, or does not do what it is asked."""


class ClusterError(DotaliverError, ConnectionError):
    """A dask cluster that cannot be reached, or was lost."""
