"""Text that UTF-8 and every database can carry; knows nothing of where it comes from.

JSON may hold half of a surrogate pair or the character NUL. Either one stops a page's stream or a database's insert.
"""

import re

UNFIT = re.compile("[\ud800-\udfff\0]")
FIRST_HALF = re.compile("[\ud800-\udbff]")


def whole(text: str) -> str:
    """`text` with surrogate pairs joined into one character; single halves and NUL become U+FFFD."""
    if not UNFIT.search(text):
        return text
    return text.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def split_half(text: str) -> tuple[str, str]:
    """`text` without a first half of a pair at its end, and that half: the second one may come with the next piece."""
    return (text[:-1], text[-1]) if text and FIRST_HALF.match(text[-1]) else (text, "")
