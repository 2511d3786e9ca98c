"""Numbers from masks: uptake, burden and diameters."""
