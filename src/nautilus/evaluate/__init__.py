"""Points in, log-likelihoods out, on whatever the user has."""
