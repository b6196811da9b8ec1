"""Settings: one TOML file and the environment, all mistakes at once."""
