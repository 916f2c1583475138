"""The join of predictions with what became of them, as queries over the lake say it."""

from datetime import date


def newest_labels(model_id: int, *, since: date, where: str = "") -> str:
    """Return what predictions ``p`` are joined with: of each one's labels the one with the newest time, ``l``; of one time, the last that came.

    Args:
        since: labels that came before that day are left out.
        where: another condition for labels ``l``, such as that somebody asks for them; only what is left is sorted.
    """
    more = f" AND {where}" if where else ""
    return (
        "(SELECT * FROM (SELECT request_id, row, number, value, received_at, row_number() OVER"  # noqa: S608  numbers and constants
        " (PARTITION BY request_id, row ORDER BY time DESC, received_at DESC) AS place"
        f" FROM labels l WHERE model_id = {model_id} AND day >= DATE '{since}'{more}) WHERE place = 1) l"
        " ON l.request_id = p.request_id AND l.row = p.row"
    )
