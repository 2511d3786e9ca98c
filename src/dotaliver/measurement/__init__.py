"""Numbers from masks: placement on the PET, uptake, normal uptake, burden and diameters."""
