"""Prompt templates: Markdown with Jinja2, one file a prompt, its version on the first line."""
