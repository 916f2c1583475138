"""Forms of sources: the file, the place or the query; then what each column is for and how the rows are split."""

from typing import Any

from django import forms

from experiments.intake.cells import WORDS
from experiments.intake.dialects import DECIMALS, ENCODINGS, SEPARATORS
from experiments.rows.roles import REPEATED, ROLES
from experiments.rows.splitting import POLICIES, SHARES
from experiments.services import FORMATS

CONTROL, SELECT = {"class": "form-control"}, {"class": "form-select"}
LEFT_OUT = ""
TARGETS = ("label", "target", "y", "class", "outcome", "grade", "fraud", "is_fraud", "default", "anomaly")


class UploadForm(forms.Form):
    """A file of rows."""

    file = forms.FileField(
        widget=forms.ClearableFileInput(CONTROL), help_text="CSV, whose first line names the columns, or Parquet."
    )


class FilesForm(forms.Form):
    """Files or a table that the team's folder holds."""

    on = forms.ChoiceField(
        label="Where", choices=[("local", "Folder of this host"), ("s3", "S3")], widget=forms.Select(SELECT)
    )
    place = forms.CharField(
        max_length=500, label="File, folder or table", widget=forms.TextInput({"class": "form-control mono"})
    )
    format = forms.ChoiceField(choices=list(FORMATS.items()), widget=forms.Select(SELECT))


class QueryForm(forms.Form):
    """A query that is run again for what is new."""

    connection = forms.ChoiceField(widget=forms.Select(SELECT), help_text="Named by the platform; it can only read.")
    query = forms.CharField(
        max_length=20_000, widget=forms.Textarea({"class": "form-control mono", "rows": 6}),
        help_text="One SELECT. :watermark stands for the highest value that earlier runs saw.",
    )  # fmt: skip
    watermark = forms.CharField(
        max_length=100, label="Column that only grows", widget=forms.TextInput({"class": "form-control mono"}),
        help_text="Of the result, such as id or updated_at. Rows that come later with a lower value are not seen.",
    )  # fmt: skip
    start = forms.CharField(
        max_length=100,
        label="First run begins above",
        widget=forms.TextInput(CONTROL),
        help_text="Such as 0 or 2020-01-01.",
    )

    def __init__(self, *args: Any, connections: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["connection"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared above
        field.choices = [(name, name) for name in connections]


class DialectForm(forms.Form):
    """How a CSV file is written, as it was found; a person may know better."""

    encoding = forms.ChoiceField(choices=list(ENCODINGS.items()), widget=forms.Select(SELECT))
    separator = forms.ChoiceField(choices=list(SEPARATORS.items()), widget=forms.Select(SELECT))
    decimal = forms.ChoiceField(label="Decimal sign", choices=list(DECIMALS.items()), widget=forms.Select(SELECT))

    def clean_separator(self) -> str:
        """Return the sign; a tab is not stripped."""
        return str(self.cleaned_data["separator"])


class SplitForm(forms.Form):
    """How rows are split, and when the source is read again."""

    kind = forms.ChoiceField(label="Split", choices=list(POLICIES.items()), widget=forms.Select(SELECT))
    train = forms.IntegerField(
        label="To learn from, %", min_value=0, max_value=100, initial=70, widget=forms.NumberInput(CONTROL)
    )
    validation = forms.IntegerField(
        label="To tune by, %", min_value=0, max_value=100, initial=15, widget=forms.NumberInput(CONTROL)
    )
    held_out = forms.IntegerField(
        label="Held out, %", min_value=0, max_value=100, initial=15, widget=forms.NumberInput(CONTROL),
        help_text="100 for a set that is only measured on.",
    )  # fmt: skip
    seed = forms.IntegerField(
        min_value=0,
        initial=7,
        widget=forms.NumberInput(CONTROL),
        help_text="Of the hash that decides, where time does not.",
    )
    cron = forms.CharField(
        required=False, max_length=100, label="Read again", widget=forms.TextInput({"class": "form-control mono", "placeholder": "15 3 * * *"}),
        help_text="Minute, hour, day, month, weekday, UTC. Empty: when somebody asks.",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """See that the shares add up."""
        values = super().clean() or {}
        if values.get("kind") != "given" and sum(values.get(name) or 0 for name in SHARES) != 100:
            self.add_error("held_out", "The three shares must add up to 100.")
        return values

    def split(self) -> dict[str, Any]:
        """Return the split as services take it."""
        shares = {name: self.cleaned_data[name] / 100 for name in SHARES if self.cleaned_data[name]}
        return {"kind": self.cleaned_data["kind"], "shares": shares, "seed": self.cleaned_data["seed"]}


class ColumnsForm(forms.Form):
    """What each column is for, its type, and its meaning."""

    def __init__(self, columns: list[dict[str, Any]], *args: Any, fixed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.columns = columns
        roles = [(LEFT_OUT, "left out"), *((role, role) for role in ROLES)]
        guessed = guess_roles(columns)
        for at, column in enumerate(columns):
            name = column["name"]
            self.fields[f"role_{at}"] = forms.ChoiceField(
                required=False,
                choices=roles,
                initial=guessed[name],
                widget=forms.Select({**SELECT, "aria-label": f"Role of {name}"}),
            )
            kinds = [(column["type"], WORDS[column["type"]])] if fixed else list(WORDS.items())
            self.fields[f"type_{at}"] = forms.ChoiceField(
                choices=kinds, initial=column["type"], widget=forms.Select({**SELECT, "aria-label": f"Type of {name}"})
            )
            self.fields[f"meaning_{at}"] = forms.CharField(
                required=False,
                max_length=300,
                widget=forms.TextInput({**CONTROL, "aria-label": f"Meaning of {name}", "placeholder": "what it means"}),
            )

    def rows(self) -> list[dict[str, Any]]:
        """Return each column with its controls."""
        return [
            {**column, "role": self[f"role_{at}"], "kind": self[f"type_{at}"], "meaning": self[f"meaning_{at}"]}
            for at, column in enumerate(self.columns)
        ]

    def chosen(self) -> list[dict[str, str]]:
        """Return the columns that are kept, as services take them."""
        values = self.cleaned_data
        return [
            {"name": column["name"], "type": values[f"type_{at}"], "role": values[f"role_{at}"], "meaning": values[f"meaning_{at}"]}
            for at, column in enumerate(self.columns) if values[f"role_{at}"]
        ]  # fmt: skip


def guess_roles(columns: list[dict[str, Any]]) -> dict[str, str]:
    """Return a role for each column, by name and type: a proposal that a person looks at."""
    found: dict[str, str] = {}
    for column in columns:
        name = column["name"].lower()
        role = "feature"
        if column["type"] == "datetime":
            role = "time"
        elif name in TARGETS:
            role = "target"
        elif name in ("id", "key", "row_id", "uuid") or name.endswith(("_key", "transaction_id", "request_id")):
            role = "key"
        elif name in ("query_id", "qid"):
            role = "query"
        elif name in ("series_id", "unique_id"):
            role = "series"
        elif name in ("customer_id", "user_id", "account_id", "entity_id"):
            role = "entity"
        elif name == "split":
            role = "split"
        elif column is columns[0] and name.endswith("_id"):
            role = "key"
        found[column["name"]] = "feature" if role in found.values() and role not in REPEATED else role
    return found
