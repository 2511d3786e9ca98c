"""The search for lesions outside the liver: coverage, physiological organs, candidates."""
