"""Reading bodies: JSON of bounded size and depth, with numbers that are numbers (T27)."""

import json
import math
from typing import Any

from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser


class BodyTooLargeError(APIException):
    """The body is larger than the server reads."""

    status_code = 413


class StrictJSONParser(JSONParser):
    """JSON without NaN, without numbers beyond a double, of bounded size and depth (T27)."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the parsed body.

        Raises:
            BodyTooLargeError: it is larger than ``DATA_UPLOAD_MAX_MEMORY_SIZE``.
            ParseError: it is not JSON, or nested too deeply.
        """
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise BodyTooLargeError(f"The body is larger than {limit:,} bytes.")
        try:
            return json.loads(raw.decode(), parse_constant=_refuse, parse_float=_finite)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}") from None


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON number")


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError(f"{digits[:20]} is larger than a number can be")
    return number
