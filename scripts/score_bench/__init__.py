"""The score bench: the same steps as a user would write them with plain libraries."""
