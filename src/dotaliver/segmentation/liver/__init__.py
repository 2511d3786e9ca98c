"""Where the liver lies on CT and PET."""
