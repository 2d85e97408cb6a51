"""The language model as a reasoner: its prompts, and the reading of its replies."""
