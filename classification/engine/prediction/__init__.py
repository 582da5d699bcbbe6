"""Prediction: where images come from, and the model that predicts them."""
