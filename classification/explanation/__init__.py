"""What a model looks at: attention of a point, receptive fields, features and class activations."""
