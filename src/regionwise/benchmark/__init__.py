"""Benchmarks: data x models x methods x metrics, in chunks that can be resumed, as rows."""
