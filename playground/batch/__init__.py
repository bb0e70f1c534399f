"""Batch runs: whole test sets over many models, resumable; stands beside the page and knows nothing of it.

plan -> items (lazily) -> lanes that `ask` -> log (append-only) -> scores. On a cluster only `ask` changes.
"""
