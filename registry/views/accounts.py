"""Logging in, back to where the person wanted to go, and out."""

import math
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from registry import services
from registry.access import actor_of
from registry.errors import FreshLoginError, RefusedError
from registry.models import Membership
from registry.sessions import ENDED, begin, confirm


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

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Let a log-in lead to this host and to the one that serves MLflow's pages."""
        super().setup(request, *args, **kwargs)
        self.success_url_allowed_hosts = {urlsplit(settings.MLFLOW_URL).netloc}

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


def password_confirm(request: HttpRequest) -> None:
    """Check the person's own password again, throttled like a log-in; the session then counts as fresh.

    Raises:
        FreshLoginError: it does not match, or has to wait.
    """
    attempt = services.login_attempt(
        username=request.user.get_username(),
        password=request.POST.get("password", ""),
        address=request.META.get("REMOTE_ADDR", ""),
        now=timezone.now(),
    )
    if attempt.user is None:
        wait = " Wait a moment before the next attempt." if attempt.wait_until else ""
        raise FreshLoginError(f"The password does not match.{wait}")
    confirm(request.session)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def confirm_password(request: HttpRequest) -> HttpResponse:
    """Ask for the password again before a decision, then go back to where it is made."""
    back = request.POST.get("next") or request.GET.get("next") or "/"
    back = back if url_has_allowed_host_and_scheme(back, {request.get_host()}) else "/"
    refused: RefusedError | None = None
    if request.method == "POST":
        try:
            password_confirm(request)
        except FreshLoginError as error:
            refused = error
        else:
            return redirect(back)
    context = {"next": back, "refused": refused}
    return render(request, "registration/confirm.html", context, status=refused.status if refused else 200)
