"""The operators for CUDA, written in Triton; imported only where they are used.

On a CPU they run in Triton's interpreter (TRITON_INTERPRET=1), which is how tests check them.
"""
