"""The garbage collector of a process that runs a batch; knows nothing else (decision 15)."""

import gc


def everything_stays() -> None:
    """What is loaded by now stays: the collector need not look at it, nor often at anything else.

    A run makes hardly any garbage that only it finds, and needs a fifth less CPU.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 1000)
