"""CDISC SDTM tables TU, TR and RS."""
