"""Prompt templates: Markdown with Jinja2, one file per prompt, with its version on the first line."""
