"""The form of prompts in which a language model states conditions."""
