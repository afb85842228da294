"""Evidence: what a network shows of itself.

The only files that touch hooks, autograd or batching.
"""
