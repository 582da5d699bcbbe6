"""Why a segmentor's metrics are what they are: by class, by image, at boundaries."""
