"""Files of a central reading: comparison of readers, figures of agreement, audit trail."""
