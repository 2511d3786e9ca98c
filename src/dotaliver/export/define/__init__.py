"""The definition of the submission's tables: define.xml 2.1, and the same as a page."""
