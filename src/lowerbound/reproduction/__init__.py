"""Published figures trained again, a little at a time, and laid beside what their paper prints."""
