"""What every web face shares: health, the runner, redaction of secrets in logs."""
