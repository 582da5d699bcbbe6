"""Predictions over HTTP: `app.create_app(predictor, limits)`, which `server.run` serves.

A predictor is any object that gives `results` when called with an image. `app`, `server` and
`upload` need what the extra `serve` installs (fastapi, uvicorn, python-multipart); so the package
imports nothing by itself.
"""
