"""The attack on the project: generated inputs and faults, each in a guarded process."""
