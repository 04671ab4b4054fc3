"""Imports and exports over HTTP: as streams, a few at a time, which end with the process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from service.backends.database import Database
from service.backends.refresh_signal import RefreshSignal
from service.boards.finder import Season
from service.lifecycle import Closing
from service.transfer.errors import TransferInterrupted, TransfersBusy
from service.transfer.exporting import ROW_TYPES, Kind, export_rows
from service.transfer.formats import Format, Row, read_lines, write_head, write_rows
from service.transfer.importing import Tally, import_lines
from service.transfer.schemas import ImportAnswer

# Each occupies a connection to PostgreSQL now and then, or all the time; the rest is for requests.
_TRANSFERS_AT_ONCE: Final = 2


class Transfers:
    """Imports and exports in one process."""

    def __init__(self, database: Database, refresh_signal: RefreshSignal, closing: Closing) -> None:
        self._database = database
        self._refresh_signal = refresh_signal
        self._closing = closing
        self._under_way = 0

    async def export(
        self, kind: Kind, format_: Format, season: Season | None = None
    ) -> AsyncIterator[bytes]:
        """Yield all rows of a kind as they are sent; standings are those of a season.

        Raises `TransfersBusy`, `TransferInterrupted` or `DatabaseUnavailable`.
        """
        with self._hold_place():
            head = write_head(ROW_TYPES[kind], format_)
            async for batch in export_rows(self._database, kind, season):
                self._check_closing()
                part = head + write_rows(batch.rows, format_)
                head = b""
                if part:
                    yield part
                # Sending waits for slow readers only; a fast one would keep all others waiting.
                await asyncio.sleep(0)
            if head:
                yield head

    async def import_(
        self, parts: AsyncIterator[bytes], row_type: type[Row], format_: Format
    ) -> ImportAnswer:
        """Import a file as it comes.

        Raises `FileUnreadable`, `TransfersBusy`, `TransferInterrupted` or `DatabaseUnavailable`.
        """

        def note_commit(_: Tally) -> None:
            self._refresh_signal.raise_soon()
            self._check_closing()

        with self._hold_place():
            lines = read_lines(parts, row_type, format_)
            tally = await import_lines(self._database, lines, note_commit)
        return tally.answer()

    def _check_closing(self) -> None:
        if self._closing.is_set():
            raise TransferInterrupted

    @contextmanager
    def _hold_place(self) -> Iterator[None]:
        if self._under_way >= _TRANSFERS_AT_ONCE:
            raise TransfersBusy(_TRANSFERS_AT_ONCE)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
