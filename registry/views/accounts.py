"""Logging in, back to where the person wanted to go, and out."""

import math
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from registry import services
from registry.access import actor_of
from registry.models import Membership
from registry.sessions import ENDED, begin


class LogInForm(AuthenticationForm):
    """Name and password; the service decides whether they are looked at."""

    wait_until: datetime | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["username"].label = "User name"
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-control"

    def clean(self) -> dict[str, Any]:
        """Check the two together.

        Raises:
            ValidationError: they do not match, or the name has to wait; in words that fit an unknown name too.
        """
        known = self.cleaned_data
        if not ("username" in known and "password" in known):
            return known
        assert self.request is not None  # noqa: S101  the view passes it
        attempt = services.login_attempt(
            username=known["username"],
            password=known["password"],
            address=self.request.META.get("REMOTE_ADDR", ""),
            now=timezone.now(),
        )
        self.wait_until = attempt.wait_until
        if attempt.locked:
            raise ValidationError(
                f"Too many failed attempts: this name is locked for {settings.LOGIN_LOCK_SECONDS // 60} minutes.",
                code="locked",
            )
        if attempt.user is None:
            raise ValidationError("User name and password do not match.", code="failed")
        self.user_cache = attempt.user
        return known


class LogIn(LoginView):
    """Ask for a name and a password, say why the last session ended, and return to the deep link."""

    form_class = LogInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the page's variables; the demo names its users."""
        context = super().get_context_data(**kwargs)
        context["ended"] = self.request.session.get(ENDED)
        context["idle_minutes"] = settings.SESSION_IDLE_SECONDS // 60
        context["absolute_hours"] = settings.SESSION_ABSOLUTE_SECONDS // 3600
        if settings.DEPLOYMENT == "demo":
            context["demo"] = Membership.objects.select_related("user", "team").order_by("user_id", "team_id")
        return context

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Begin the session; Django gives it a new key."""
        answer = super().form_valid(form)
        begin(self.request.session)
        return answer

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Show the form again; while the name has to wait, with the status that says so."""
        answer = super().form_invalid(form)
        if isinstance(form, LogInForm) and form.wait_until:
            answer.status_code = 429
            answer["Retry-After"] = str(math.ceil((form.wait_until - timezone.now()).total_seconds()))
        return answer


class LogOut(LogoutView):
    """End the session."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Record it while it is known whose session it was."""
        if request.user.is_authenticated:
            services.logout_record(actor=actor_of(request))
        return super().post(request, *args, **kwargs)
