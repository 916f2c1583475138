"""How the controls of a form look, and how one names a model among many."""

from django import forms
from django.urls import reverse_lazy

MODEL_NAME = {  # as partials/model_field.html has it
    "class": "form-control", "autocomplete": "off", "list": "model-names", "hx-get": reverse_lazy("model_names"),
    "hx-trigger": "focus once, input changed delay:200ms", "hx-target": "#model-names", "hx-swap": "innerHTML",
}  # fmt: skip


def style_controls(form: forms.Form) -> None:
    """Give each control its look."""
    for field in form.fields.values():
        widget = field.widget
        if isinstance(widget, forms.CheckboxSelectMultiple):
            continue  # a class would go to the group as well
        if isinstance(widget, forms.CheckboxInput):
            widget.attrs.setdefault("class", "form-check-input")
        elif isinstance(widget, forms.Select):
            widget.attrs.setdefault("class", "form-select")
        else:
            widget.attrs.setdefault("class", "form-control")
