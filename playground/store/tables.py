"""The database's tables; the only description of them besides the migrations. Knows no record."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)  # fmt: skip

metadata = MetaData()
Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only in INTEGER columns
Moment = DateTime(timezone=True)

comparison = Table(
    "comparison", metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("task", String(200), nullable=False),
    Column("case_id", String(200), nullable=False),
    Column("case_sha256", String(64), nullable=False),
    Column("case_inputs", JSON, nullable=False),
    Column("case_target", JSON),
    Column("source", Text, nullable=False),
    Column("licence", Text, nullable=False),
    Column("restricted", Boolean, nullable=False),
    Column("instrument", String(200), nullable=False),
    Column("instrument_version", Integer, nullable=False),
    Column("blinded", Boolean, nullable=False),
    Column("shots", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("prompt_sha256", String(64), nullable=False),
    Column("app_version", String(50), nullable=False),
    Column("created", Moment, nullable=False),
    Index("comparison_of_owner", "owner", "created"),
)  # fmt: skip

response = Table(
    "response", metadata,
    Column("id", String(64), primary_key=True),
    Column("comparison", ForeignKey("comparison.id"), nullable=False),
    Column("side", String(8), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("model", String(500), nullable=False),
    Column("label", String(500), nullable=False),
    Column("model_returned", String(500)),
    Column("state", String(20), nullable=False),
    Column("text", Text, nullable=False),
    Column("text_sha256", String(64), nullable=False),
    Column("error", Text),
    Column("error_kind", String(50)),
    Column("stop_reason", String(50)),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("first_token_s", Float),
    Column("total_s", Float),
    Column("cost", Float),
    Column("currency", String(10)),
    Column("parameters", JSON, nullable=False),
    Column("shots", Integer, nullable=False),
    Column("prompt_sha256", String(64), nullable=False),
    Column("messages", JSON, nullable=False),
    Column("created", Moment, nullable=False),
    UniqueConstraint("comparison", "side", "attempt"),
)  # fmt: skip

score = Table(
    "score", metadata,
    Column("response", ForeignKey("response.id"), primary_key=True),
    Column("metric", String(100), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("value", Float),
    Column("answer", Text, nullable=False),
    Column("explanation", Text, nullable=False),
    Column("variant", String(100), nullable=False),
)  # fmt: skip

rating = Table(
    "rating", metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("uuid", String(64), nullable=False, unique=True),
    Column("comparison", ForeignKey("comparison.id"), nullable=False, index=True),
    Column("rater", String(200), nullable=False),
    Column("answers", JSON, nullable=False),
    Column("comment", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("instrument", String(200), nullable=False),
    Column("instrument_version", Integer, nullable=False),
    Column("shown", JSON, nullable=False),
    Column("app_version", String(50), nullable=False),
    Column("created", Moment, nullable=False),
    sqlite_autoincrement=True,
)  # fmt: skip

rating_answer = Table(
    "rating_answer", metadata,
    Column("rating", ForeignKey("rating.number"), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("item", String(200), nullable=False),
    Column("side", String(8)),
    Column("value", String(200), nullable=False),
)  # fmt: skip

draft = Table(
    "draft", metadata,
    Column("comparison", ForeignKey("comparison.id"), primary_key=True),
    Column("rater", String(200), primary_key=True),
    Column("answers", JSON, nullable=False),
    Column("comment", Text, nullable=False),
    Column("uuid", String(64), nullable=False),
    Column("updated", Moment, nullable=False),
)  # fmt: skip

imported_task = Table(
    "imported_task", metadata,
    Column("id", String(200), primary_key=True),
    Column("task", JSON, nullable=False),
)  # fmt: skip

imported_case = Table(
    "imported_case", metadata,
    Column("place", Number, primary_key=True, autoincrement=True),
    Column("task", String(200), nullable=False),
    Column("id", String(200), nullable=False),
    Column("case", JSON, nullable=False),
    UniqueConstraint("task", "id"),
    sqlite_autoincrement=True,
)  # fmt: skip

run_row = Table(
    "run_row", metadata,
    Column("place", Number, primary_key=True, autoincrement=True),
    Column("key", String(64), nullable=False),
    Column("case_id", String(200), nullable=False),
    Column("run", String(64), nullable=False),
    Column("task", String(200), nullable=False),
    Column("model", String(500), nullable=False),
    Column("row", JSON, nullable=False),
    UniqueConstraint("key", "case_id"),
    sqlite_autoincrement=True,
)  # fmt: skip
