"""The manual: pages in Markdown that come with the package, for machines without a network."""
