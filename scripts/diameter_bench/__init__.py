"""Studies with known lesions, and what the measured diameters are compared with."""
