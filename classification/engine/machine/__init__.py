"""The machine under a run: its processes, one writer for each folder, faults in one sentence."""
