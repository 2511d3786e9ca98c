"""Many studies: found below a folder, scored one by one in supervised processes on dask, gathered as a cohort."""
