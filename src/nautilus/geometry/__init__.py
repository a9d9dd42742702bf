"""Pure shapes: coordinates, mixtures and how they are fitted."""
