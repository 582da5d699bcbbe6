"""A page for people beside the HTTP API: `page.mount(app, shelf)`, where `app` is `serving`'s.

It predicts through the same queues as the API. `page` needs gradio (the extra `web`); what is kept,
selected and shown does not, so the package imports nothing by itself.
"""
