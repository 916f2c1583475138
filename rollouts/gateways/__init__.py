"""What gateways of all hosts are handed, and what they report back."""
