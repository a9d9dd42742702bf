"""The algorithm: state, weights, estimates, steps, stop rules."""
