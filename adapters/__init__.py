"""Clients of language models, one file a kind of API; knows nothing of tasks, pages or the database.

The name is also used by a Hugging Face library: the project runs from its checkout or an editable install.
"""
