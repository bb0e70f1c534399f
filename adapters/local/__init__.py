"""The engine behind `local/...`: one thread owns torch; everything that asks about a model stays outside of it.

spec (what is wanted) -> weights (where it lies) -> prompt (token ids) -> engine (queue, thread) -> loading, decode.
Only `loading`, `decode` and `quantise` import torch, inside functions that the engine's thread calls.
"""
