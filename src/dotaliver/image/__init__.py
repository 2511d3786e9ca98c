"""Images as arrays with a place in the patient, and what is done to any image."""
