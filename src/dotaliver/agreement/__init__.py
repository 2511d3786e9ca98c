"""Several readers of the same cases: signed readings, where they differ, adjudication, and figures of agreement."""
