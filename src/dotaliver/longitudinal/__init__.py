"""One patient over time: which lesion is which, and what became of them."""
