"""The machine below: processors, memory, processes, files and folders."""
