"""Command line of centerloss: parse, call one function of `centerloss_core`, print."""
