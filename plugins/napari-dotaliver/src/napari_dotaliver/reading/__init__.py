"""A reading of one study without any window: session, edits, undo."""
