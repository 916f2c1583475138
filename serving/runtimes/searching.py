"""What finds documents: told apart from other runtimes without loading what a search takes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from serving.runtimes import Columns, Output, Row

MOST_CHARACTERS = 4000  # of a query


class Searching(ABC):
    """A runtime whose answer to a query is documents: each as its place among all, and its score.

    Attributes:
        documents: their names.
        most: how many can be asked for at once.
    """

    slow = True  # a query is read by an encoder, or looked up for all documents

    def __init__(self, documents: Sequence[str], most: int) -> None:
        self.documents, self.most = documents, most
        self.output = Output("score", 2 * most)

    @abstractmethod
    def predict(self, columns: Columns, rows: int) -> list[float]:
        """Return place and score of the documents of each row: as many as the last column wants, or as can be had."""

    def predict_row(self, row: Row) -> list[float]:
        """Return the documents of one row."""
        return self.predict([[value] for value in row], 1)
