"""A file of a form, written where uploads wait as it arrives: Django's own handlers would first lay the whole body on disk."""

from typing import IO, Any, Protocol

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile, StopUpload
from django.http import HttpRequest

from experiments.intake.incoming import Incoming, TooLargeError

FORM_BYTES = 64 * 1024  # of a form around its file
LINGER_BYTES = 64 * 1024 * 1024  # of a body that is refused, read and thrown away so that a browser shows the answer
PIECE = 1024 * 1024


class Readable(Protocol):
    """What a body is read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""


class ArrivedFile(UploadedFile):  # type: ignore[type-arg]  # Django's class takes none
    """A file of a form that lies where uploads wait."""

    def __init__(self, incoming: Incoming, name: str, content_type: str) -> None:
        super().__init__(None, name, content_type, incoming.size)
        self.incoming = incoming

    def close(self) -> None:
        """Close nothing: the file is the :class:`Incoming`'s."""


class ArrivingFile(FileUploadHandler):
    """Takes the one file of a form into an :class:`Incoming`, and stops where it is too large.

    Attributes:
        refused: why the file was not taken, in words.
    """

    chunk_size = PIECE

    def __init__(self, request: HttpRequest, incoming: Incoming, field: str = "file") -> None:
        super().__init__(request)
        self.incoming, self.field, self.refused = incoming, field, ""
        self._body: Any = None
        self._began = False

    def handle_raw_input(
        self, input_data: IO[bytes], META: dict[str, str], content_length: int, boundary: str, encoding: str | None = None  # noqa: N803  as Django calls it
    ) -> None:  # fmt: skip
        """Remember the body, of which what is left is read where the file is refused."""
        self._body = input_data

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:
        """Take the first file of the field alone."""
        super().new_file(field_name, *args, **kwargs)
        if field_name != self.field or self._began:
            raise SkipFile
        self._began = True

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write a piece.

        Raises:
            StopUpload: the file is too large.
        """
        try:
            self.incoming.write(raw_data)
        except TooLargeError as error:
            self.refused = str(error)
            drain(self._body)
            raise StopUpload(connection_reset=True) from None

    def file_complete(self, file_size: int) -> ArrivedFile:
        """Return the file, as a form sees it."""
        return ArrivedFile(self.incoming, self.file_name or "upload", self.content_type or "")


def declared_too_large(request: HttpRequest, most_bytes: int) -> bool:
    """Whether the body says of itself that it is larger than a form with a file that may be taken."""
    return int(request.META.get("CONTENT_LENGTH") or 0) > most_bytes + FORM_BYTES


def drain(body: Readable) -> None:
    """Read on for a while and throw it away: an answer to a sender that still sends would be lost."""
    left = LINGER_BYTES
    while left > 0 and (piece := body.read(PIECE)):
        left -= len(piece)
