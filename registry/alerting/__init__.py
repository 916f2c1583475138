"""What alerts are decided by, without the database: rules, streaks of looks, silences, and what a message says."""
