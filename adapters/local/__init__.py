"""The engine behind `local/...`: one thread owns torch; everything that asks about a model stays outside of it.

spec (what is wanted) -> weights (where it lies) -> prompt (token ids) -> engine (queue, thread) -> work (one batch)
-> residents (what is in memory) -> loading; work -> decode (ids to text). `zero`: the same work on a lent GPU.
Only `loading`, `decode`, `work` and `pull` import torch, inside functions that the engine's thread or a pull calls.
"""
