"""Logging in and out."""

from django.contrib.auth.views import LoginView, LogoutView


class LogIn(LoginView):
    """Ask for a name and a password, then go where the person wanted to go."""

    redirect_authenticated_user = True


class LogOut(LogoutView):
    """End the session."""
