"""A second, independent answer to where the liver is, and where it differs from the outline."""
