"""MR series: what each one shows, by the headers of all its slices."""
