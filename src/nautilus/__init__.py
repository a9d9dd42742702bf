"""Posterior samples and Bayesian evidence for expensive likelihoods."""
