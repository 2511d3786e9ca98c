"""Studies from a PACS and results to it, by DICOMweb or DIMSE (extra ``pacs``)."""
