"""How the second answer to where the liver is was trained, and how the audit is measured."""
