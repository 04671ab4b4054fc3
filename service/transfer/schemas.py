"""What an import answers."""

import msgspec

from service.errors import FieldError


class LineError(msgspec.Struct, frozen=True):
    """A line that was not imported, by its number in the file, from 1, and why."""

    line: int
    error: str
    code: str
    fields: list[FieldError]


class ImportAnswer(msgspec.Struct, frozen=True):
    """What became of the lines of a file.

    `present` are those that were there before, of an earlier import. `errors` are the first
    thousand of those that were `refused`; once the file is mended, all of it can be sent again.
    """

    lines: int
    imported: int
    present: int
    refused: int
    errors: list[LineError]

    @classmethod
    def example(cls) -> "ImportAnswer":
        wrong = FieldError("score", "Expected `int`, got `str`")
        error = LineError(4, "The line is not valid.", "invalid_request", [wrong])
        return cls(lines=3, imported=1, present=1, refused=1, errors=[error])
