"""Official task ids, as files and people write them."""

import re

TASK_ID = re.compile(r"(?:task)?_?0*(\d+)(?:\.0|_.*)?", re.IGNORECASE)


def official_id(text: str) -> str:
    """`52`, `task52`, `task52_mmedbench` -> `task52`; what is none of these stays as it is."""
    match = TASK_ID.fullmatch(text.strip())
    return f"task{match.group(1)}" if match else text.strip()
