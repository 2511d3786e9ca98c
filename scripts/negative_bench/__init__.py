"""CTs with lesions that have no uptake, and what stands in livers without any."""
