"""Column types that mean the same on every database."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, TypeDecorator
from sqlalchemy.types import TypeEngine

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def milliseconds(at: datetime) -> int:
    """Whole milliseconds since 1970; what is finer is cut off. Raises ValueError for a naive datetime."""
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone; every stored instant is aware")
    return (at - EPOCH) // MILLISECOND


def instant(since_epoch: int) -> datetime:
    """The inverse of `milliseconds`, in UTC."""
    return EPOCH + since_epoch * MILLISECOND


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: integer milliseconds on SQLite, `timestamptz` on PostgreSQL, cut to milliseconds on both."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        whole = BigInteger() if dialect.name == "sqlite" else DateTime(timezone=True)
        return dialect.type_descriptor(whole)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        since_epoch = milliseconds(value)
        return since_epoch if dialect.name == "sqlite" else instant(since_epoch)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return instant(value) if dialect.name == "sqlite" else value.astimezone(UTC)
