"""Answers of a run with their scores as one Parquet file; needs pyarrow, memory stays flat."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from playground.errors import BadInput
from playground.export import RESTRICTED

TEXTS = ("task", "case", "model", "key", "state", "text", "input", "reference", "stop_reason", "model_returned",
         "currency", "prompt_sha256", "case_sha256", "reused_from", "created")  # fmt: skip
NUMBERS, COUNTS = ("cost", "first_token_s", "total_s"), ("repeat", "shots", "retries", "input_tokens", "output_tokens")
HIDDEN = ("text", "input", "reference")
BATCH = 1000  # rows written at once


def write(
    rows: Iterable[Mapping[str, Any]], path: Path, *, metrics: Sequence[str], include_restricted: bool = False
) -> int:
    """Write rows as `Batch.rows` gives them; returns how many. A column `score_METRIC` for each metric, 0..1.

    Texts of restricted cases become their SHA-256. Raises `BadInput` without pyarrow or where nothing can be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise BadInput("Parquet needs pyarrow. Type: pip install -e '.[parquet]'") from error
    schema = pa.schema(
        [(name, pa.string()) for name in TEXTS]
        + [(name, pa.float64()) for name in NUMBERS]
        + [(name, pa.int64()) for name in COUNTS]
        + [("restricted", pa.bool_())]
        + [(f"score_{name}", pa.float64()) for name in metrics]
    )
    made, count, every = path.with_name(f".{path.name}.part"), 0, iter(rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(made, schema) as writer:
            while some := [_flat(r, metrics, include_restricted) for r in islice(every, BATCH)]:
                writer.write_table(pa.Table.from_pylist(some, schema=schema))
                count += len(some)
        made.replace(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror or error}. Give another file.") from error
    finally:
        made.unlink(missing_ok=True)
    return count


def _flat(row: Mapping[str, Any], metrics: Sequence[str], include_restricted: bool) -> dict[str, Any]:
    flat = {name: row.get(name) for name in (*TEXTS, *NUMBERS, *COUNTS, "restricted")} | row["usage"]
    if row["restricted"] and not include_restricted:
        flat |= {name: _hash(flat[name]) for name in HIDDEN}
    return flat | {f"score_{name}": row["scores"].get(name) for name in metrics}


def _hash(text: str | None) -> str | None:
    return RESTRICTED + hashlib.sha256(text.encode()).hexdigest() if text else text
