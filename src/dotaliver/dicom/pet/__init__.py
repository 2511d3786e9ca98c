"""What the PET's headers say on tracer, timing and SUV."""
