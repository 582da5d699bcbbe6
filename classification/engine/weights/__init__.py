"""Files with weights: looked through, read safely, and loaded into models strictly."""
