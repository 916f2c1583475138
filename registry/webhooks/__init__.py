"""Outgoing webhooks: what is told (`events`), to whom (`fanout`), where it may go (`addresses`), and how (`request`)."""
