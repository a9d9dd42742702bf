"""Keywords with which a sampler is done in a second, for tests of all around the algorithm."""

SMALL = {
    "n_live": 50,
    "n_update": 150,
    "n_networks": 1,
    "neural_network_kwargs": {"hidden_layer_sizes": (8,), "max_iter": 4},
    "seed": 11,
}
GOAL = {"f_live": 0.5, "n_eff": 400}
