"""Subject, text and html as templates: what they may say, what they need, and their rendering with a mail's variables."""
