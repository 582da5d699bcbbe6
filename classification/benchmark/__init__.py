"""What models cost: parameters, FLOPs, tokens, time and memory."""
