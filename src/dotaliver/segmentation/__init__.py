"""Outlining the liver, its lesions, its neighbours and the reference regions."""
