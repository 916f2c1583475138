"""Documents, queries and judgements: their columns are known before they are read."""

from experiments.rows.retrieval import FEATURES, GRADE, GRADE_MEANING, KEY, ROLES, TITLE
from experiments.rows.splitting import SPLIT_COLUMN


def retrieval_columns() -> list[dict[str, str]]:
    """Return the columns of documents, queries and judgements, as they come out of their files."""
    roles = {
        **ROLES, GRADE: ("target", GRADE_MEANING), KEY: ("key", "names the judgement"),
        SPLIT_COLUMN: ("split", "which part the query belongs to; corpus: a document that nobody judged"),
        **{name: ("feature", meaning) for name, meaning in FEATURES.items()},
        TITLE: ("ignored", FEATURES[TITLE]),  # many collections have none
    }  # fmt: skip
    return [
        {"name": name, "type": "long" if name == GRADE else "string", "role": role, "meaning": meaning}
        for name, (role, meaning) in roles.items()
    ]
