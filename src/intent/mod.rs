//! Intents: Markdown as a person writes it.
