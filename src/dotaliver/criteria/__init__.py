"""The answers: eligibility, Krenning grade and RECIST."""
