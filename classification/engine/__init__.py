"""What training, testing and prediction of all tasks run on; nothing here names a task or a model.

Importing this package loads none of its modules; each is imported where it is used.
"""
